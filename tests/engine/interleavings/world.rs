//! A server whose every wait is a gate, and requests that are polled by hand.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::{Request, Response};
use orgate::change::{About, Change, Update};
use orgate::decision::Decider;
use orgate::http::HttpClient;
use orgate::policy::{header, resource};
use orgate::server::IssuerHandle;
use orgate::testing::{TestIssuer, TestProofKey};
use orgate::time::Clock as _;
use orgate::token::Introspection;
use orgate::token::binding::Dpop;
use orgate::tower::Require;
use orgate::{Issuer, ResourceServer};
use serde_json::json;
use tower::{Layer as _, Service as _, ServiceExt as _};

use super::doubles::{Behind, Gate, Journal, Net, Point, Source, Store, Truth};
use crate::web::RESOURCE;

const URL: &str = "https://api.example.com/orders";

/// More steps than any request needs.
const MOST_STEPS: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Jwt,
    Opaque,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Keys,
    Introspection,
    Permissions,
    Decisions,
    ReplayStore,
    /// The service behind the policy.
    Readiness,
}

impl Wait {
    pub(super) const OF_JWT: [Self; 5] =
        [Self::Keys, Self::Permissions, Self::Decisions, Self::ReplayStore, Self::Readiness];
    pub(super) const OF_OPAQUE: [Self; 5] =
        [Self::Introspection, Self::Permissions, Self::Decisions, Self::ReplayStore, Self::Readiness];
}

pub(super) struct World<'i> {
    issuer: &'i TestIssuer,
    kind: Kind,
    key: TestProofKey,
    token: String,
    layered: Require<Behind>,
    entry: IssuerHandle,
    pub(super) truth: Truth,
    keys: Gate,
    introspection: Gate,
    permissions: Gate,
    decisions: Gate,
    store: Gate,
    behind: Gate,
    log: Journal,
}

impl<'i> World<'i> {
    pub(super) fn new(issuer: &'i TestIssuer, kind: Kind, log: Journal) -> Self {
        let (truth, key) = (Truth::default(), issuer.proof_key());
        let [keys, introspection, permissions, decisions, store, behind] = std::array::from_fn(|_| Gate::default());
        truth.publish(issuer.jwks_json());
        let now = issuer.clock().now().unix.as_secs();
        truth.introspects(
            json!({
                "active": true, "token_type": "DPoP", "iss": issuer.url(), "sub": "alice", "client_id": "web",
                "aud": RESOURCE, "organization_id": "acme", "scope": "read", "jti": "token-1", "iat": now,
                "exp": now + 3600, "cnf": { "jkt": key.thumbprint() },
            })
            .to_string(),
        );
        let token = match kind {
            Kind::Opaque => "opaque".to_owned(),
            Kind::Jwt => {
                let token = issuer.organization_resource_token(RESOURCE, "acme").subject("alice").client("web");
                token.scope("read").claim("jti", "token-1").bound_to(&key).mint()
            }
        };
        let net = Net { keys: keys.clone(), introspection: introspection.clone(), truth: truth.clone() };
        let point = Point(decisions.clone(), truth.clone());
        let decider = Decider::builder(point).clock(issuer.clock()).build().unwrap();
        let settings = settings(issuer, kind, &permissions, &truth);
        let server = ResourceServer::builder(settings, RESOURCE)
            .clock(issuer.clock())
            .http_client(HttpClient::custom(net))
            .decision_point(decider)
            .dpop(Dpop::new(RESOURCE).replay_store(Store(store.clone())).replay_timeout(Duration::from_secs(5)))
            .max_wait(Duration::from_secs(60))
            .change_log(log.clone())
            .build()
            .unwrap();
        let policy = resource().in_organization(header("x-org")).scope("read");
        let policy = policy.fresh_within(Duration::from_secs(60)).decide("read", "document", header("x-document"));
        let layered = server.require(policy).unwrap().layer(Behind(behind.clone()));
        let entry = server.issuer(issuer.url()).unwrap();
        Self {
            issuer,
            kind,
            key,
            token,
            layered,
            entry,
            truth,
            keys,
            introspection,
            permissions,
            decisions,
            store,
            behind,
            log,
        }
    }

    pub(super) fn settings(&self) -> Issuer {
        settings(self.issuer, self.kind, &self.permissions, &self.truth)
    }

    pub(super) const fn entry(&self) -> &IssuerHandle {
        &self.entry
    }

    pub(super) fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.issuer.clock().now().unix
    }

    pub(super) const fn gate(&self, wait: Wait) -> &Gate {
        match wait {
            Wait::Keys => &self.keys,
            Wait::Introspection => &self.introspection,
            Wait::Permissions => &self.permissions,
            Wait::Decisions => &self.decisions,
            Wait::ReplayStore => &self.store,
            Wait::Readiness => &self.behind,
        }
    }

    /// The issuer publishes other keys, and the server has fetched them.
    pub(super) async fn withdraw_key(&self) {
        let other = TestIssuer::start().await;
        self.truth.publish(other.jwks_json());
        self.entry.refresh_keys().await.unwrap();
    }

    /// A server follows its log from the first change on that concerns it.
    pub(super) async fn follows_its_log(&self) {
        let change = Change::not_before(self.entry.issuer().to_owned(), About::subject("bob"), self.now());
        self.entry.apply_change(&change).unwrap();
        self.settles().await;
    }

    /// Ends when the server has taken it in.
    pub(super) async fn log_says(&self, update: Update) {
        self.log.say(update);
        self.log.loading.open();
        self.settles().await;
    }

    /// Lets the log be taken in, and all tasks run that can.
    pub(super) async fn settles(&self) {
        self.log.taken_in().await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    /// The first request. It finds nothing known, so it waits in any case, and may then find the service not ready.
    pub(super) fn first(&self) -> Running {
        let mut layered = self.layered.clone();
        let response = layered.call(self.request());
        Running(Box::pin(async move { response.await.map(|response| response.status().as_u16()) }))
    }

    /// A request with the same token, sent when the service is ready.
    pub(super) fn next(&self) -> Running {
        let (mut layered, request) = (self.layered.clone(), self.request());
        Running(Box::pin(async move {
            let response: Response<_> = layered.ready().await?.call(request).await?;
            Ok(response.status().as_u16())
        }))
    }

    fn request(&self) -> Request<Body> {
        let request = Request::get("/orders").header("x-org", "acme").header("x-document", "1");
        let proof = self.key.proof("GET", URL, &self.token).mint();
        let request = request.header("authorization", format!("DPoP {}", self.token)).header("dpop", proof);
        request.body(Body::empty()).unwrap()
    }
}

fn settings(issuer: &TestIssuer, kind: Kind, permissions: &Gate, truth: &Truth) -> Issuer {
    let settings = Issuer::new(issuer.url()).jwks_uri("https://issuer.example/jwks");
    let settings = settings.permissions(Source(permissions.clone(), truth.clone()));
    match kind {
        Kind::Jwt => settings,
        Kind::Opaque => {
            settings.introspection(Introspection::new("https://issuer.example/introspect", "api", "the-secret"))
        }
    }
}

/// A request that is under way.
pub(super) struct Running(Pin<Box<dyn Future<Output = Result<u16, Infallible>>>>);

impl Running {
    async fn step(&mut self) -> Option<u16> {
        let polled = poll_fn(|cx| Poll::Ready(self.0.as_mut().poll(cx))).await;
        tokio::task::yield_now().await;
        match polled {
            Poll::Ready(Ok(status)) => Some(status),
            Poll::Pending => None,
        }
    }

    pub(super) async fn runs_until(&mut self, condition: impl Fn() -> bool, label: &str) {
        for _ in 0..MOST_STEPS {
            if condition() {
                return;
            }
            assert_eq!(self.step().await, None, "it ended before it had to wait: {label}");
        }
        panic!("it never came to the gate: {label}");
    }

    /// As far as it gets.
    pub(super) async fn runs_a_while(&mut self) {
        for _ in 0..20 {
            if let Some(status) = self.step().await {
                self.0 = Box::pin(std::future::ready(Ok(status)));
            }
        }
    }

    /// Its status. A fetch after a change that concerns everybody is put off a little, so that this may take half a second.
    pub(super) async fn ends(self, label: &str) -> u16 {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.0).await;
        let Ok(Ok(status)) = ended else { panic!("it never ended: {label}") };
        status
    }
}
