//! A guarded route, what it answers, and what is logged meanwhile.

use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{Router, response::Response};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use orgate::policy::authenticated;
use orgate::rejection::RejectionKind;
use orgate::server::Builder;
use orgate::testing::{TestClock, TestIssuer};
use orgate::{Rejection, ResourceServer};
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) const API: &str = "https://api.example.com";

/// A server that trusts the issuer and ages with it.
pub(crate) fn builder(issuer: &TestIssuer) -> Builder {
    ResourceServer::builder(issuer.url(), API).clock(issuer.clock())
}

/// A token that outlives every test.
pub(crate) fn token(issuer: &TestIssuer) -> String {
    issuer.resource_token(API).mint()
}

/// A good token but for its `kid`, which is not checked against anything but key sets.
pub(crate) fn with_kid(token: &str, kid: &str) -> String {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
    let (_, rest) = token.split_once('.').unwrap();
    let header = serde_json::json!({ "alg": "ES384", "typ": "at+jwt", "kid": kid }).to_string();
    format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(header))
}

/// Life times, back-offs and budgets pass; tokens do not age.
pub(crate) fn pass(clock: &TestClock, seconds: u64) {
    clock.advance_monotonic(Duration::from_secs(seconds));
}

#[derive(Clone)]
pub(crate) struct Api(Router);

impl Api {
    pub(crate) fn new(builder: Builder) -> Self {
        Self::of(&builder.build().unwrap())
    }

    pub(crate) fn of(server: &ResourceServer) -> Self {
        let guard = server.guard().route("/", get(|| async { "passed" }), authenticated().any_issuer());
        Self(guard.into_router().unwrap())
    }

    pub(crate) async fn get(&self, token: impl AsRef<str>) -> Answer {
        let authorization = format!("Bearer {}", token.as_ref());
        let request = Request::get("/").header("authorization", authorization).body(Body::empty()).unwrap();
        Answer::read(self.0.clone().oneshot(request).await.unwrap()).await
    }
}

/// What a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) remediation: Option<String>,
    /// Whether there is a challenge with `error="invalid_token"`.
    pub(crate) invalid_token: bool,
    pub(crate) retry_after: Option<u64>,
    pub(crate) kind: Option<RejectionKind>,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap());
        let remediation = if head.status == StatusCode::OK {
            assert_eq!(body, "passed");
            None
        } else {
            let problem: Value = serde_json::from_slice(&body).unwrap();
            Some(problem["remediation"].as_str().unwrap().to_owned())
        };
        assert_eq!(header("www-authenticate").is_some(), head.status == StatusCode::UNAUTHORIZED);
        Self {
            status: head.status.as_u16(),
            remediation,
            invalid_token: header("www-authenticate").is_some_and(|value| value.contains(r#"error="invalid_token""#)),
            retry_after: header("retry-after").map(|value| value.parse().unwrap()),
            kind: head.extensions.get::<Rejection>().map(Rejection::kind),
        }
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.status == 200
    }

    /// Whether it is 401. `refresh` stands for a key that is not in the set, also where the token is so new that another one
    /// would be signed with the same key; `retry` for one that could not be looked up.
    pub(crate) fn is_401(&self, remediation: &str) -> bool {
        let found = (self.kind, self.remediation.as_deref(), self.retry_after);
        self.status == 401
            && self.invalid_token
            && match (remediation, found) {
                ("refresh", (Some(RejectionKind::KeyNotFound), Some("refresh"), None)) => true,
                ("refresh", (Some(RejectionKind::KeyNotFound), Some("retry"), Some(30))) => true,
                ("retry", (Some(RejectionKind::KeyUnresolved), Some("retry"), Some(1..=30))) => true,
                (remediation, (Some(RejectionKind::InvalidToken), Some(found), None)) => remediation == found,
                _ => false,
            }
    }

    pub(crate) fn is_503(&self) -> bool {
        self.status == 503
            && self.retry_after.is_some_and(|seconds| (1..=33).contains(&seconds))
            && self.remediation.as_deref() == Some("retry")
    }
}

pub(crate) const REFRESHED: &str = "key set refreshed";
pub(crate) const FAILED: &str = "key set not refreshed";

/// What a server at loopback answers: status, headers and body.
pub(crate) type Canned = (u16, Vec<(&'static str, &'static str)>, Vec<u8>);

/// A server on loopback that answers a path as `make` says; the first argument is its own URL.
pub(crate) async fn origin(make: impl Fn(&str, &str) -> Canned + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (base, make) = (url.clone(), std::sync::Arc::new(make));
    let app = Router::new().fallback(move |request: Request<Body>| {
        let (base, make) = (base.clone(), make.clone());
        async move {
            let (status, headers, body) = make(&base, request.uri().path());
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response.headers_mut().append(name, value.parse().unwrap());
            }
            response
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}
