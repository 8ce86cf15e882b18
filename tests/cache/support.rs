//! Guarded routes, and what they answer.

use axum::Router;
use axum::body::Body;
use http::Request;
use orgate::policy::{Policy, authenticated};
use orgate::server::Builder;
use orgate::testing::TestIssuer;
use orgate::{Issuer, Rejection, ResourceServer};
use tower::ServiceExt as _;

pub(crate) const API: &str = "https://api.example.com";

/// A server that trusts the issuer, as the entry `issuer`, and ages with it.
pub(crate) fn builder(issuer: &TestIssuer) -> Builder {
    ResourceServer::builder(Issuer::new(issuer.url()).name("issuer"), API).clock(issuer.clock())
}

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) server: ResourceServer,
    pub(crate) router: Router,
}

impl Api {
    /// With `/`, for every token of every issuer.
    pub(crate) fn new(builder: Builder) -> Self {
        Self::with(builder, [("/", authenticated())])
    }

    pub(crate) fn with<const N: usize>(builder: Builder, routes: [(&str, Policy); N]) -> Self {
        let server = builder.build().unwrap();
        let guard = routes
            .into_iter()
            .fold(server.guard(), |guard, (path, policy)| guard.get(path, async || "passed", policy.any_issuer()));
        let router = guard.into_router().unwrap();
        Self { server, router }
    }

    pub(crate) async fn get(&self, token: impl AsRef<str>) -> Answer {
        self.get_from("/", token).await
    }

    pub(crate) async fn get_from(&self, path: &str, token: impl AsRef<str>) -> Answer {
        self.send(path, &format!("Bearer {}", token.as_ref())).await
    }

    pub(crate) async fn send(&self, path: &str, authorization: &str) -> Answer {
        let request = Request::get(path).header("authorization", authorization).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let rejection = response.extensions().get::<Rejection>();
        Answer {
            status: response.status().as_u16(),
            kind: rejection.map(|rejection| format!("{:?}", rejection.kind())),
            remediation: rejection.map_or("", |rejection| rejection.remediation().as_str()),
            challenge: header("www-authenticate"),
            says_when: header("retry-after").is_some(),
        }
    }
}

/// What a client sees, and the kind of the rejection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: Option<String>,
    pub(crate) remediation: &'static str,
    pub(crate) challenge: Option<String>,
    /// Whether there is a `Retry-After`: how long it is depends on chance.
    pub(crate) says_when: bool,
}

impl Answer {
    pub(crate) fn is_ok(&self) -> bool {
        self.status == 200
    }

    /// 401, `invalid_token`, and what to do about it.
    pub(crate) fn is_401(&self, remediation: &str) -> bool {
        let invalid = self.challenge.as_deref().is_some_and(|value| value.contains(r#"error="invalid_token""#));
        self.status == 401 && invalid && self.says_when == (remediation == "retry") && self.remediation == remediation
    }

    pub(crate) fn is_503(&self) -> bool {
        self.status == 503 && self.says_when && self.challenge.is_none() && self.remediation == "retry"
    }
}
