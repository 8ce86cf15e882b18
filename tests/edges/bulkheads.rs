//! One tenant whose servers hang, and another one that must not notice.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use http::StatusCode;
use orgate::future::BoxFuture;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::resource;
use orgate::testing::{TestClock, TestIssuer};
use orgate::{Issuer, ResourceServer};

use crate::support::{API, START, get, issuer_at};

/// Answers after 80 ms, and about the subjects of a flood never.
struct Slow {
    says: Permissions,
    calls: Arc<AtomicUsize>,
    hung: Arc<AtomicUsize>,
}

impl PermissionSource for Slow {
    fn permissions<'a>(&'a self, query: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(async {
            if query.subject_id().starts_with("flood-") {
                self.hung.fetch_add(1, Ordering::SeqCst);
                pending::<()>().await;
            }
            self.calls.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(80)).await;
            Ok(self.says.clone())
        })
    }
}

struct World {
    hanging: TestIssuer,
    good: TestIssuer,
    server: ResourceServer,
    /// Calls of the good source that end.
    asked: Arc<AtomicUsize>,
    /// Calls of either source that do not.
    hung: Arc<AtomicUsize>,
}

impl World {
    /// `says` is what the good source answers.
    async fn new(says: Permissions) -> Self {
        let clock = TestClock::new(START);
        let (hanging, good) = (issuer_at(&clock).await, issuer_at(&clock).await);
        let (asked, hung) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let other = Slow { says: Permissions::none(), calls: Arc::default(), hung: hung.clone() };
        let answers = Slow { says, calls: asked.clone(), hung: hung.clone() };
        let server = ResourceServer::builder(Issuer::new(hanging.url()).name("hanging").permissions(other), API)
            .issuer(Issuer::new(good.url()).name("good").permissions(answers))
            .clock(clock)
            .build()
            .unwrap();
        Self { hanging, good, server, asked, hung }
    }

    /// Sixteen subjects of a tenant whose source hangs for them. All slots of that source are taken when this returns.
    async fn flood(&self, app: &Router, tenant: &TestIssuer, round: usize) {
        let hung = self.hung.load(Ordering::SeqCst);
        for number in 0..16 {
            let token = tenant.resource_token(API).subject(format!("flood-{round}-{number}")).scope("a").mint();
            let app = app.clone();
            tokio::spawn(async move { get(&app, "/", &token).await });
        }
        while self.hung.load(Ordering::SeqCst) < hung + 16 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn a_hanging_source_does_not_starve_another_tenant() {
    let world = World::new(Permissions::of(["a"])).await;
    let policy = resource().scope("a").fresh_within(Duration::from_secs(30)).any_issuer();
    let app: Router = world.server.guard().get("/", async || "", policy).into_router().unwrap();
    let token = world.good.resource_token(API).subject("alice").scope("a").mint();
    world.flood(&app, &world.hanging, 0).await;
    let status = get(&app, "/", &token).await;
    let asked = world.asked.load(Ordering::SeqCst);
    assert_eq!(status, StatusCode::OK, "its own source was asked {asked} times");
}

#[tokio::test]
async fn a_limit_of_this_process_opens_no_way_past_the_source() {
    // Mallory was demoted.
    let world = World::new(Permissions::none()).await;
    let policy = resource().scope("a").live().dangerous_token_only_on_error().any_issuer();
    let app: Router = world.server.guard().get("/", async || "", policy).into_router().unwrap();
    let token = world.good.resource_token(API).subject("mallory").scope("a").mint();
    assert_eq!(get(&app, "/", &token).await, StatusCode::UNAUTHORIZED);
    // The slots are free again after two seconds: on a slow machine perhaps before Mallory gives up.
    for round in 0..5 {
        world.flood(&app, &world.good, round).await;
        let asked = world.asked.load(Ordering::SeqCst);
        let status = get(&app, "/", &token).await;
        assert_ne!(status, StatusCode::OK);
        if world.asked.load(Ordering::SeqCst) == asked {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "the source was not asked");
            return;
        }
    }
    panic!("no limit was reached");
}

#[tokio::test]
async fn a_retry_after_without_end_is_no_panic() {
    struct Closed;
    impl PermissionSource for Closed {
        fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
            Box::pin(async { Err(SourceError::new("closed for good").retry_after(Duration::MAX)) })
        }
    }
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).permissions(Closed);
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
    let app: Router = server.guard().get("/", async || "", resource().scope("a").live()).into_router().unwrap();
    let token = issuer.resource_token(API).scope("a").mint();
    for _ in 0..3 {
        assert_eq!(get(&app, "/", &token).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}
