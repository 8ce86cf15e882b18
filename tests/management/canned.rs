//! A tenant that says what the test says, without a network.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response};
use orgate::http::{Fetch, FetchError, HttpClient};
use orgate::logto::LogtoManagement;
use orgate::permissions::{PermissionModel, PermissionSource as _, Permissions, SourceError};
use orgate::token::SubjectKind;
use serde_json::{Value, json};

use crate::world::query;

pub(crate) const SECRET: &str = "canned-s3cret";

/// Answers by path and query.
type Answers = dyn Fn(&str, &str) -> Response<Bytes> + Send + Sync;

pub(crate) struct Canned {
    answers: Arc<Answers>,
    asked: Arc<AtomicUsize>,
}

impl Canned {
    /// The Management API says this; the token endpoint is in order.
    pub(crate) fn tenant(answers: impl Fn(&str, &str) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Self { answers: Arc::new(answers), asked: Arc::default() }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Response<Bytes> {
        Response::builder().status(status).body(body.to_string().into()).unwrap()
    }

    pub(crate) fn with(mut answer: Response<Bytes>, name: &'static str, value: &str) -> Response<Bytes> {
        answer.headers_mut().insert(HeaderName::from_static(name), value.parse().unwrap());
        answer
    }

    pub(crate) fn count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.asked)
    }

    pub(crate) fn source(self) -> LogtoManagement {
        LogtoManagement::builder("https://tenant.logto.app", "canned", SECRET)
            .http_client(HttpClient::custom(self))
            .build()
            .unwrap()
    }

    fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert_eq!(request.uri().host(), Some("tenant.logto.app"));
        if request.uri().path() == "/oidc/token" {
            assert_eq!(request.method(), Method::POST);
            let form = "grant_type=client_credentials&resource=https%3A%2F%2Ftenant.logto.app%2Fapi&scope=all";
            assert_eq!(request.body(), form);
            return Self::json(
                200,
                &json!({ "access_token": "canned.t0ken", "expires_in": 3600, "token_type": "Bearer", "scope": "all" }),
            );
        }
        assert_eq!((request.method(), request.body().len()), (&Method::GET, 0));
        assert_eq!(request.headers()["authorization"], "Bearer canned.t0ken");
        let printed = format!("{request:?}");
        assert!(!printed.contains(SECRET) && !printed.contains("t0ken"), "{printed}");
        (self.answers)(request.uri().path(), request.uri().query().unwrap_or_default())
    }
}

impl Fetch for Canned {
    fn fetch(
        &self,
        request: Request<Bytes>,
        _max_bytes: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, FetchError>> + Send + '_>> {
        Box::pin(async move { Ok(self.answer(&request)) })
    }
}

pub(crate) async fn ask(
    source: &LogtoManagement,
    kind: SubjectKind,
    id: &str,
    model: PermissionModel,
) -> Result<Permissions, SourceError> {
    source.permissions(&query(kind, id, model)).await
}
