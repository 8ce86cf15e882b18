//! What rests on others: decision points, introspection, the change log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orgate::change::{About, Change, Facts, Log, LogError, Staleness, Update, Updates};
use orgate::decision::{Decider, Decision, DecisionFuture, DecisionPoint, DecisionRequest};
use orgate::future::BoxFuture;
use orgate::lease::EndReason::{DecisionChanged, Revoked, Undecided};
use orgate::lease::{Lease, LeaseSettings};
use orgate::policy::{path, resource};
use orgate::rejection::{RejectionKind, Remediation};
use orgate::token::Introspection;
use serde_json::json;

use crate::support::{API, World, end, end_now, request, until};

#[derive(Clone)]
struct Point(Arc<AtomicBool>);

impl DecisionPoint for Point {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        let allows = self.0.load(Ordering::SeqCst);
        Box::pin(async move { Ok(if allows { Decision::allow() } else { Decision::deny() }) })
    }
}

#[tokio::test]
async fn decision_that_has_changed_ends_the_lease_after_a_change() {
    let allows = Arc::new(AtomicBool::new(true));
    let decider = Decider::builder(Point(allows.clone())).build().unwrap();
    let world = World::configured(|builder| builder.decision_point(decider)).await;
    let requirement = world.requirement(resource().decide("read", "document", path("org")));
    let mut parts = request(&world.token("alice", ""));
    let grant = requirement.authorize(&mut parts).await.unwrap();
    let lease = grant.lease_with(&LeaseSettings::new().request(&parts)).unwrap();
    world.edit(About::subject("alice"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(end_now(&lease).is_none(), "it is asked again, and allows");
    allows.store(false, Ordering::SeqCst);
    world.edit(About::subject("bob"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(end_now(&lease).is_none(), "it is not asked about her");
    world.pass(1.0);
    world.edit(About::subject("alice"));
    assert_eq!(end(&lease).await, (DecisionChanged, Remediation::None));
    assert_eq!(lease.over().unwrap().close_code(), 1008);
}

#[tokio::test]
async fn decision_that_cannot_be_asked_for_again_ends_the_lease() {
    let decider = Decider::builder(Point(Arc::new(AtomicBool::new(true)))).build().unwrap();
    let world = World::configured(|builder| builder.decision_point(decider)).await;
    let lease = world.lease(resource().decide("read", "document", path("org")), &world.token("alice", "")).await;
    world.edit(About::member("acme", "alice"));
    assert_eq!(end(&lease).await, (Undecided, Remediation::Retry));
}

/// An issuer that says of every token whether it is active.
struct Introspecting(Arc<Mutex<serde_json::Value>>);

impl orgate::http::Fetch for Introspecting {
    fn fetch(
        &self,
        _: http::Request<bytes::Bytes>,
        _: usize,
    ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, orgate::http::FetchError>> {
        let answer = self.0.lock().unwrap().to_string();
        Box::pin(async move { Ok(http::Response::new(answer.into())) })
    }
}

#[tokio::test]
async fn opaque_token_is_asked_about_again_after_a_change() {
    let answer = Arc::new(Mutex::new(json!({})));
    let fetch = orgate::http::HttpClient::custom(Introspecting(answer.clone()));
    let ask = Introspection::new("https://issuer.example/introspect", "api", "secret");
    let world = World::configured(|builder| builder.http_client(fetch).introspection(ask)).await;
    let now = world.now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    *answer.lock().unwrap() = json!({
        "active": true, "token_type": "Bearer", "iss": world.issuer.url(), "sub": "alice", "client_id": "web", "aud": API, "iat": now,
        "exp": now + 3600,
    });
    let requirement = world.requirement(resource());
    let mut parts = request("opaque");
    let grant = requirement.authorize(&mut parts).await.unwrap();
    assert_eq!(grant.lease().unwrap_err().kind(), RejectionKind::Misconfigured, "it could not be asked about");
    let lease = grant.lease_with(&LeaseSettings::new().request(&parts)).unwrap();
    world.edit(About::subject("alice"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(end_now(&lease).is_none());
    *answer.lock().unwrap() = json!({"active": false});
    world.pass(1.0);
    world.edit(About::subject("alice"));
    end(&lease).await;
    let other = grant.lease_with(&LeaseSettings::new().request(&parts)).unwrap();
    world.apply(|iss, at| Change::not_before(iss, About::client("web"), at));
    assert_eq!(end(&other).await, (Revoked, Remediation::Refresh));
}

/// A log that is current once, or as often as it is told to be.
#[derive(Clone, Default)]
struct Quiet(Arc<tokio::sync::Notify>);

impl Log for Quiet {
    fn append<'a>(&'a self, _: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn follow(&self, held: Arc<dyn Facts>) -> Box<dyn Updates> {
        Box::new(Following { log: self.clone(), held, is_first: true })
    }

    fn staleness(&self) -> Option<Staleness> {
        Some(Staleness::refuse_after(Duration::from_secs(30)))
    }
}

struct Following {
    log: Quiet,
    held: Arc<dyn Facts>,
    is_first: bool,
}

impl Updates for Following {
    fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
        Box::pin(async move {
            if !std::mem::take(&mut self.is_first) {
                self.log.0.notified().await;
            }
            Some(Update::current(self.held.now().monotonic))
        })
    }
}

/// Requests are rejected from then on, so the bound of a permission does not hold a lease up.
#[tokio::test]
async fn log_that_is_cut_off_ends_live_leases_within_five_seconds_too() {
    let log = Quiet::default();
    let world = World::configured(|builder| builder.change_log(log.clone())).await;
    world.server.ready().await.unwrap();
    world.source.holds("alice", &["read"]);
    let policy = resource().scope("read").fresh_within(Duration::from_secs(600));
    let lease = world.lease(policy, &world.token("alice", "read")).await;
    assert_eq!(lease.bound(), Some(Duration::from_secs(600)));
    world.pass(31.0);
    assert!(end_now(&lease).is_none(), "not at once");
    world.pass(5.5);
    assert_eq!(end(&lease).await, (Undecided, Remediation::Retry));
}

#[tokio::test]
async fn log_that_is_cut_off_ends_leases_spread_over_five_seconds() {
    let log = Quiet::default();
    let world = World::configured(|builder| builder.change_log(log.clone())).await;
    world.server.ready().await.unwrap();
    let requirement = world.requirement(resource());
    let grant = world.grant(&requirement, &world.token("alice", "")).await;
    let leases: Vec<Lease> = (0..40).map(|_| grant.lease().unwrap()).collect();
    let over = |leases: &[Lease]| leases.iter().filter(|lease| end_now(lease).is_some()).count();
    world.pass(31.0);
    assert_eq!(over(&leases), 0, "not at once");
    log.0.notify_one();
    until(|| world.server.change_log().unwrap().is_current, "current log").await;
    world.pass(10.0);
    assert_eq!(over(&leases), 0, "it came back in time");
    world.pass(31.0);
    assert_eq!(over(&leases), 0);
    world.pass(2.5);
    until(|| (3..32).contains(&over(&leases)), "end of some").await;
    world.pass(3.0);
    until(|| over(&leases) == 40, "end of all").await;
    assert_eq!(end(&leases[0]).await, (Undecided, Remediation::Retry));
}
