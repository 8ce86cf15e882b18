//! One tenant whose servers hang, and another one that must not notice.

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

/// Answers after a time.
struct Slow {
    takes: Duration,
    says: Permissions,
    calls: Arc<AtomicUsize>,
}

impl PermissionSource for Slow {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            tokio::time::sleep(self.takes).await;
            Ok(self.says.clone())
        })
    }
}

struct World {
    hanging: TestIssuer,
    good: TestIssuer,
    server: ResourceServer,
    asked: Arc<AtomicUsize>,
}

impl World {
    /// `says` is what the good source answers, after 80 ms.
    async fn new(says: Permissions) -> Self {
        let clock = TestClock::new(START);
        let (hanging, good) = (issuer_at(&clock).await, issuer_at(&clock).await);
        let asked = Arc::new(AtomicUsize::new(0));
        let hangs = Slow { takes: Duration::from_secs(60), says: Permissions::none(), calls: Arc::default() };
        let answers = Slow { takes: Duration::from_millis(80), says, calls: asked.clone() };
        let server = ResourceServer::builder(Issuer::new(hanging.url()).name("hanging").permissions(hangs), API)
            .issuer(Issuer::new(good.url()).name("good").permissions(answers))
            .clock(clock)
            .build()
            .unwrap();
        Self { hanging, good, server, asked }
    }

    /// Sixteen subjects of the tenant whose source hangs.
    async fn flood(&self, app: &Router) {
        for number in 0..16 {
            let token = self.hanging.resource_token(API).subject(format!("s{number}")).scope("a").mint();
            let app = app.clone();
            tokio::spawn(async move { get(&app, "/", &token).await });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_hanging_source_does_not_starve_another_tenant() {
    let world = World::new(Permissions::of(["a"])).await;
    let policy = resource().scope("a").fresh_within(Duration::from_secs(30)).any_issuer();
    let app: Router = world.server.guard().get("/", async || "", policy).into_router().unwrap();
    let token = world.good.resource_token(API).subject("alice").scope("a").mint();
    world.flood(&app).await;
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
    world.flood(&app).await;
    assert_ne!(get(&app, "/", &token).await, StatusCode::OK);
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
