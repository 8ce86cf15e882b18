//! Asking Permit.io's decision point.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use serde_json::Value;

use super::scope::KeyScope;
use super::{PermitBuilder, check};
use crate::decision::{
    Decision, DecisionError, DecisionFuture, DecisionPoint, DecisionRequest, KnownIssuers, MAX_BATCH, too_many,
};
use crate::flight::Lane;
use crate::http::remote::Remote;

/// A Permit.io client: a decision point, and the facts that it uses. Cheap to clone.
///
/// ```
/// use orgate::ResourceServer;
/// use orgate::decision::Decider;
/// use orgate::permit::Permit;
///
/// let permit = Permit::builder("http://localhost:7766", "permit_key_...").build()?;
/// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
///     .decision_point(Decider::builder(permit).build()?)
///     .build()?;
/// # _ = server;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Permit(pub(super) Arc<Inner>);

pub(super) struct Inner {
    /// Without a slash at the end, as are the others.
    pub(super) pdp: String,
    pub(super) key: HeaderValue,
    pub(super) issuer: Option<String>,
    pub(super) checks: Remote,
    pub(super) syncs: Remote,
    pub(super) facts: Facts,
}

/// Where facts go.
pub(super) enum Facts {
    Api { base: String, scope: Arc<KeyScope> },
    Pdp { wait: Option<HeaderValue> },
}

impl Permit {
    /// Returns the settings of a client for the decision point at this URL and the key of the environment.
    pub fn builder(pdp_url: impl Into<String>, api_key: impl AsRef<str>) -> PermitBuilder {
        PermitBuilder::new(pdp_url.into(), api_key.as_ref())
    }

    async fn check(&self, request: &DecisionRequest) -> Result<Decision, DecisionError> {
        let body = check::body(request, self.0.issuer.as_deref())?;
        check::single(&self.ask(&request.lane(), "/allowed", &body).await?)
    }

    async fn check_all(&self, requests: &[DecisionRequest]) -> Result<Vec<Decision>, DecisionError> {
        let Some(first) = requests.first() else { return Ok(Vec::new()) };
        if requests.len() > MAX_BATCH {
            return Err(too_many(requests.len(), MAX_BATCH));
        }
        let body = requests.iter().map(|request| check::body(request, self.0.issuer.as_deref()));
        let body = body.collect::<Result<Value, _>>()?;
        check::several(&self.ask(&first.lane(), "/allowed/bulk", &body).await?)
    }

    async fn ask(&self, lane: &Lane, path: &str, body: &Value) -> Result<Bytes, DecisionError> {
        let request = self.request(Method::POST, &format!("{}{path}", self.0.pdp), Some(body));
        let request = request.ok_or_else(|| DecisionError::wrong("the decision point's URL"))?;
        let answer = match self.0.checks.call(Some(lane), request).await {
            Ok(answer) if answer.status() == StatusCode::OK => Ok(answer.into_body()),
            Ok(answer) => Err(DecisionError::refused(&answer)),
            Err(error) => Err(error.into()),
        };
        answer.inspect_err(|error| tracing::warn!(target: "orgate", pdp = self.0.pdp, %error, "no decision"))
    }

    pub(super) fn request(&self, method: Method, url: &str, body: Option<&Value>) -> Option<Request<Bytes>> {
        let mut request = Request::new(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default());
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().ok()?;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.0.key.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Some(request)
    }
}

impl DecisionPoint for Permit {
    fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(self.check(request))
    }

    fn decide_all<'a>(&'a self, requests: &'a [DecisionRequest]) -> DecisionFuture<'a, Vec<Decision>> {
        Box::pin(self.check_all(requests))
    }

    fn known_issuers(&self) -> KnownIssuers {
        self.0.issuer.as_deref().map_or_else(KnownIssuers::single, KnownIssuers::named)
    }

    fn calls_waiting(&self) -> usize {
        self.0.checks.waiting()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("pdp", &self.0.pdp).finish_non_exhaustive()
    }
}
