//! What happens while a request waits.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use orgate::change::About;
use orgate::decision::{Decider, DecisionFuture, DecisionPoint, DecisionRequest};
use orgate::future::BoxFuture;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{decide, path, resource};
use orgate::rejection::RejectionKind;
use orgate::time::Clock as _;
use orgate::{Issuer, ResourceServer};
use tower::{Layer as _, Service, ServiceExt as _};

use crate::authorize::parts;
use crate::web::{Api, RESOURCE, request};

struct Hanging;

impl PermissionSource for Hanging {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(std::future::pending())
    }
}

/// All waits of a request end at one deadline, and that opens no way out that a policy names.
#[tokio::test]
async fn the_deadline_is_503_and_opens_nothing() {
    let api = Api::start().await;
    let issuer = Issuer::new(api.issuer.url()).permissions(Hanging);
    let builder = ResourceServer::builder(issuer, RESOURCE).clock(api.issuer.clock());
    let server = builder.max_wait(Duration::from_millis(100)).build().unwrap();
    let policy = resource().scope("read").live().dangerous_token_only_on_error();
    let read = server.requirement(policy).unwrap();
    let rejection = read.authorize(&mut parts(Some(&api.token("read")), "")).await.unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::Unavailable);
    assert!(rejection.retry_after().is_some());
    assert_eq!(server.live_counts().token_only, 0);
}

/// Counts what it is asked, and never answers.
struct Silent(Arc<AtomicUsize>);

impl DecisionPoint for Silent {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn the_deadline_is_503_where_a_policy_goes_without_a_decision_point() {
    let asked = Arc::<AtomicUsize>::default();
    let point = Decider::builder(Silent(asked.clone())).build().unwrap();
    let given = point.clone();
    let api = Api::configured(|builder| builder.decision_point(given).max_wait(Duration::from_millis(100))).await;
    api.server.ready().await.unwrap();
    let policy = resource().and(decide("read", "document", path("org"))).dangerous_allow_on_error();
    let read = api.server.requirement(policy).unwrap();
    let rejection = read.authorize(&mut parts(Some(&api.token("read")), "7")).await.unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::Unavailable);
    assert!(rejection.retry_after().is_some());
    assert_eq!((asked.load(Ordering::SeqCst), point.allowed_on_error()), (1, 0));
}

#[test]
fn a_deadline_beyond_a_minute_is_a_config_error() {
    let builder = || ResourceServer::builder("https://tenant.logto.app/oidc", RESOURCE);
    assert!(builder().max_wait(Duration::from_secs(60)).build().is_ok());
    let fault = builder().max_wait(Duration::from_secs(61)).build().unwrap_err().to_string();
    assert!(fault.contains("max_wait") && fault.contains("61s"), "{fault}");
}

/// Becomes ready when it is told to.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(AtomicBool, Mutex<Option<Waker>>)>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        if let Some(waker) = self.0.1.lock().unwrap().take() {
            waker.wake();
        }
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.0.1.lock().unwrap().is_some()
    }
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        *self.0.1.lock().unwrap() = Some(cx.waker().clone());
        if self.0.0.load(Ordering::SeqCst) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(Body::empty())))
    }
}

/// The request was granted after a wait, and the service behind is not ready: what happens meanwhile counts.
#[tokio::test]
async fn a_grant_is_looked_at_again_before_a_service_that_was_not_ready() {
    for (what, status) in
        [("nothing", 200), ("revoked", 401), ("expired", 401), ("signed in too long ago", 401), ("removed", 401)]
    {
        let api = Api::start().await;
        let gate = Gate::default();
        let policy = resource().scope("read").max_auth_age(Duration::from_secs(60));
        let mut service = api.server.require(policy).unwrap().layer(gate.clone());
        let now = api.issuer.clock().now().unix.as_secs();
        let token = api.issuer.resource_token(RESOURCE).scope("read").claim("auth_time", now).mint();
        // Called without readiness: the keys are not there, so the request waits, and then waits for the gate.
        let response = tokio::spawn(service.call(request("GET", "/", Some(&token))));
        while !gate.is_awaited() {
            tokio::task::yield_now().await;
        }
        match what {
            "revoked" => {
                api.server.issuer(api.issuer.url()).unwrap().revoke(About::Everyone).unwrap();
            }
            "expired" => api.issuer.clock().advance(Duration::from_secs(48 * 3600)),
            "signed in too long ago" => api.issuer.clock().advance(Duration::from_secs(61)),
            "removed" => api.server.issuer(api.issuer.url()).unwrap().remove().unwrap(),
            _ => {}
        }
        gate.open();
        assert_eq!(response.await.unwrap().unwrap().status().as_u16(), status, "{what}");
    }
}

#[tokio::test]
async fn the_service_behind_a_policy_can_be_reached() {
    let api = Api::start().await;
    let mut service = api.server.require(resource()).unwrap().layer(Gate::default());
    service.get_ref().open();
    assert!(service.get_mut().ready().await.is_ok());
    let inner = service.into_inner();
    assert_eq!(inner.oneshot(request("GET", "/", None)).await.unwrap().status(), 200);
}
