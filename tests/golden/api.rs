//! The API that the recorded tokens are sent to.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{Request, Response, StatusCode};
use axum::{Extension, Router};
use http_body_util::BodyExt as _;
use orgate::policy::{authenticated, organization, path, resource};
use orgate::rejection::{RejectionKind, Remediation};
use orgate::testing::TestClock;
use orgate::{AccessToken, Issuer, Organization, Rejection, ResourceServer};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::corpus;

pub(crate) const ISSUER: &str = "http://localhost:3001/oidc";
pub(crate) const RESOURCE: &str = "https://api.example.com/orders";
pub(crate) const ACME: &str = "9djivbepy5ys";
pub(crate) const GLOBEX: &str = "bn1esirt2yr7";

/// What the handler was given.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) token: AccessToken,
    pub(crate) organization: Option<Organization>,
}

pub(crate) async fn handler(token: AccessToken, organization: Option<Organization>) -> Extension<Seen> {
    Extension(Seen { token, organization })
}

/// The three models with one scope, none, and two; and who the caller is.
fn orders_api(server: &ResourceServer) -> Router {
    let members = || organization(path("org"));
    let orders = || resource().in_organization(path("org"));
    server
        .guard()
        .get("/resource/one", handler, resource().scope("read:orders"))
        .get("/resource/none", handler, resource())
        .get("/resource/two", handler, resource().all_of(["read:orders", "delete:orders"]))
        .get("/members/{org}/one", handler, members().scope("read:members"))
        .get("/members/{org}/none", handler, members())
        .get("/members/{org}/two", handler, members().all_of(["read:members", "manage:members"]))
        .get("/orders/{org}/one", handler, orders().scope("read:orders"))
        .get("/orders/{org}/none", handler, orders())
        .get("/orders/{org}/two", handler, orders().all_of(["read:orders", "delete:orders"]))
        .get("/anyone", handler, authenticated())
        .get("/user", handler, authenticated().user())
        .get("/machine", handler, authenticated().machine())
        .into_router()
        .unwrap()
}

pub(crate) struct Api {
    pub(crate) router: Router,
    pub(crate) clock: TestClock,
}

/// The issuer of the scenario, with one of its key sets.
pub(crate) fn issuer(keys: &str) -> Issuer {
    Issuer::new(ISSUER).jwks_json(corpus::key_set(keys))
}

impl Api {
    pub(crate) fn new(issuer: Issuer) -> Self {
        Self::serving(issuer, RESOURCE, orders_api)
    }

    pub(crate) fn serving(issuer: Issuer, resource: &str, routes: impl FnOnce(&ResourceServer) -> Router) -> Self {
        let clock = TestClock::new(Duration::ZERO);
        let server = ResourceServer::builder(issuer, resource).clock(clock.clone()).build().unwrap();
        Self { router: routes(&server), clock }
    }

    /// Sends the token at a time, in seconds since the epoch.
    pub(crate) async fn send(&self, path: &str, token: &str, now: u64) -> Response<Body> {
        self.clock.set_wall(Duration::from_secs(now));
        let request = Request::get(path).header(AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// The same, for a route with [`handler`].
    pub(crate) async fn get(&self, path: &str, token: &str, now: u64) -> Answer {
        Answer::of(self.send(path, token, now).await).await
    }
}

pub(crate) enum Answer {
    Passed(Seen),
    Refused(Refused),
}

/// A rejection: as it stands in the extensions, and as the client reads it.
pub(crate) struct Refused {
    pub(crate) rejection: Rejection,
    pub(crate) challenge: String,
    status: StatusCode,
    body: Value,
}

/// What a rejection must be.
pub(crate) type Refusal = (u16, RejectionKind, Remediation);

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if let Some(seen) = parts.extensions.get::<Seen>() {
            assert_eq!(parts.status, StatusCode::OK);
            return Self::Passed(seen.clone());
        }
        let rejection = parts.extensions.get::<Rejection>().expect("neither passed nor refused").clone();
        let challenge = parts.headers[WWW_AUTHENTICATE].to_str().unwrap().to_owned();
        let body = serde_json::from_slice(&body).expect("problem details");
        Self::Refused(Refused { rejection, status: parts.status, challenge, body })
    }

    #[track_caller]
    pub(crate) fn seen(&self, what: &str) -> &Seen {
        match self {
            Self::Passed(seen) => seen,
            Self::Refused(refused) => panic!("{what}: refused, {:?}", refused.rejection),
        }
    }

    #[track_caller]
    pub(crate) fn refused(&self, what: &str) -> &Refused {
        match self {
            Self::Passed(_) => panic!("{what}: passed"),
            Self::Refused(refused) => refused,
        }
    }

    /// Rejected thus: in the extensions, in the challenge and in the body.
    #[track_caller]
    pub(crate) fn is_refused(&self, (status, kind, remediation): Refusal, what: &str) {
        let refused = self.refused(what);
        let rejection = &refused.rejection;
        assert_eq!(
            (refused.status.as_u16(), rejection.kind(), rejection.remediation()),
            (status, kind, remediation),
            "{what}: {rejection:?}"
        );
        let error = match (status, kind) {
            (401, _) => Some("invalid_token"),
            (_, RejectionKind::Denied) => None,
            _ => Some("insufficient_scope"),
        };
        let challenge = &refused.challenge;
        assert!(challenge.starts_with("Bearer ") && challenge.contains("realm="), "{what}: {challenge}");
        match error {
            Some(error) => {
                assert!(challenge.starts_with(&format!("Bearer error=\"{error}\", ")), "{what}: {challenge}");
            }
            None => assert!(!challenge.contains("error"), "{what}: {challenge}"),
        }
        assert_eq!(refused.body["status"], status, "{what}");
        assert_eq!(refused.body["error"].as_str(), error, "{what}");
        assert_eq!(refused.body["remediation"], remediation.as_str(), "{what}");
    }
}
