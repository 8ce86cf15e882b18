//! Deliveries: what is read of them, what they may say, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode};
use orgate::logto::webhooks::{SigningKeys, Webhooks};
use orgate::permit::{Permit, PermitBridge};
use orgate::policy::resource;
use orgate::testing::{TestClock, TestIssuer, TestPermit, TestTenant};
use orgate::time::Clock as _;
use orgate::{Issuer, ResourceServer};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;

use crate::support::{API, START, api, delivery, get, issuer_at, signing_keys};

struct World {
    tenant: TestTenant,
    issuer: TestIssuer,
    server: ResourceServer,
    hooks: Webhooks,
    app: Router,
}

impl World {
    async fn new() -> Self {
        let (tenant, issuer) = (TestTenant::start().await, issuer_at(&TestClock::new(START)).await);
        let entry = Issuer::new(issuer.url()).name("main");
        let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
        let hooks = server.issuer("main").unwrap().webhooks(signing_keys(&tenant));
        let app = api(&server);
        Self { tenant, issuer, server, hooks, app }
    }

    /// Delivers now that Mallory's suspension changed at this time, which is so many seconds ahead of the clock or behind.
    fn suspension(&self, suspended: bool, ahead: i64) {
        let unix = self.issuer.clock().now().unix.as_secs().checked_add_signed(ahead).unwrap();
        let data = json!({ "data": { "id": "mallory", "isSuspended": suspended } });
        let (headers, body) = delivery(&self.tenant, "User.SuspensionStatus.Updated", &date(unix), &data);
        self.hooks.receive(&headers, &body).unwrap();
    }

    async fn mallory(&self) -> StatusCode {
        get(&self.app, "/", &self.issuer.resource_token(API).subject("mallory").mint()).await
    }
}

/// A second from January 2027 on, in days that need no calendar.
fn date(unix: u64) -> String {
    let seconds = unix - 1_798_761_600; // 2027-01-01T00:00:00Z
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    format!("2027-01-{:02}T{:02}:{:02}:{:02}.000Z", 1 + days, rest / 3600, rest / 60 % 60, rest % 60)
}

/// The issuer's clock was wrong by two days for a moment.
#[tokio::test]
async fn an_event_from_the_future_does_not_outrank_a_later_suspension() {
    let world = World::new().await;
    world.suspension(false, 2 * 86_400);
    world.issuer.clock().advance(Duration::from_secs(3600));
    world.suspension(true, 0);
    for _ in 0..4 {
        world.issuer.clock().advance(Duration::from_secs(86_400));
        assert_eq!(world.mallory().await, StatusCode::UNAUTHORIZED);
    }
}

/// Whoever holds the signing key lifts suspensions, as SECURITY.md says; whoever recorded a delivery does not.
#[tokio::test]
async fn a_recorded_delivery_lifts_no_suspension() {
    let world = World::new().await;
    world.suspension(true, -600);
    world.suspension(false, -500);
    world.issuer.clock().advance(Duration::from_secs(60));
    world.suspension(true, 0);
    world.issuer.clock().advance(Duration::from_secs(600));
    world.suspension(false, -590);
    assert_eq!(world.mallory().await, StatusCode::UNAUTHORIZED);
    world.suspension(false, 0);
    world.issuer.clock().advance(Duration::from_secs(1));
    assert_eq!(world.mallory().await, StatusCode::OK, "a new one does");
}

#[tokio::test]
async fn a_recorded_delivery_grants_nothing_after_a_restart() {
    let clock = TestClock::new(START);
    let (world, permit) = (World::new().await, TestPermit::start().await);
    permit.role("member");
    let client = Permit::builder(permit.url(), TestPermit::KEY).api(permit.url()).build().unwrap();
    let bridge = || PermitBridge::builder(client.clone(), "member").clock(clock.clone()).build().unwrap();
    let told = |bridge: &PermitBridge| {
        let (server, bridge) = (world.server.clone(), bridge.clone());
        let hooks = server.issuer("main").unwrap().webhooks(signing_keys(&world.tenant));
        hooks.on_event(move |event| bridge.take(event))
    };
    let membership = |at: u64, list: &str| {
        let data = json!({ "organizationId": "acme", list: ["mallory"] });
        delivery(&world.tenant, "Organization.Membership.Updated", &date(at), &data)
    };
    let start = START.as_secs();
    let (joined, left) = (membership(start, "addedUserIds"), membership(start + 1, "removedUserIds"));
    let first = bridge();
    for (headers, body) in [&joined, &left] {
        told(&first).receive(headers, body).unwrap();
        first.work_off().await;
        assert_eq!(permit.users(), ["mallory"]);
    }
    assert!(permit.roles("mallory").is_empty());
    clock.advance(Duration::from_secs(3600));
    world.issuer.clock().advance(Duration::from_secs(3600));
    let second = bridge();
    let hooks = told(&second);
    hooks.receive(&joined.0, &joined.1).unwrap();
    second.work_off().await;
    assert!(permit.roles("mallory").is_empty());
    assert_eq!(hooks.stale_deliveries(), 1);
}

#[tokio::test]
async fn a_removed_issuers_hook_has_no_say_about_its_successor() {
    let clock = TestClock::new(START);
    let (tenant, old, new) = (TestTenant::start().await, issuer_at(&clock).await, issuer_at(&clock).await);
    let entry = Issuer::new(old.url()).name("customers");
    let server = ResourceServer::builder(entry, API).clock(clock).build().unwrap();
    let handle = server.issuer("customers").unwrap();
    let hooks = handle.webhooks(signing_keys(&tenant));
    let guard = server.guard().get("/", async || "", resource()).public("/hook", hooks.endpoint());
    let app: Router = guard.into_router().unwrap();
    handle.remove().unwrap();
    server.add_issuer(Issuer::new(new.url()).name("customers")).unwrap();
    let token = new.resource_token(API).subject("admin").mint();
    assert_eq!(get(&app, "/", &token).await, StatusCode::OK);
    let data = json!({ "data": { "id": "admin" } });
    let (headers, body) = delivery(&tenant, "User.Deleted", &date(START.as_secs()), &data);
    let mut request = Request::post("/hook").body(Body::from(body)).unwrap();
    *request.headers_mut() = headers;
    assert_eq!(app.clone().oneshot(request).await.unwrap().status(), StatusCode::GONE);
    assert_eq!(get(&app, "/", &token).await, StatusCode::OK);
}

fn hook(server: &ResourceServer) -> Router {
    let hooks = server.issuer("main").unwrap().webhooks(SigningKeys::new(["key"]).unwrap());
    server.guard().public("/hook", hooks.endpoint()).into_router().unwrap()
}

#[tokio::test]
async fn a_delivery_without_a_signature_is_rejected_unread() {
    let world = World::new().await;
    let read = Arc::new(AtomicUsize::new(0));
    let counted = read.clone();
    let pieces = (0..15).map(move |_| {
        counted.fetch_add(64 * 1024, Ordering::SeqCst);
        Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 64 * 1024]))
    });
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let answer = hook(&world.server).oneshot(Request::post("/hook").body(body).unwrap()).await.unwrap();
    assert_eq!((answer.status(), read.load(Ordering::SeqCst)), (StatusCode::UNAUTHORIZED, 0));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_called_too_large() {
    let world = World::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, app) = (listener.local_addr().unwrap(), hook(&world.server));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let head = "POST /hook HTTP/1.1\r\nhost: a\r\nlogto-signature-sha-256: 00\r\n";
    for rest in ["content-length: 500\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"] {
        let mut connection = tokio::net::TcpStream::connect(at).await.unwrap();
        connection.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
        connection.shutdown().await.unwrap();
        let mut answer = String::new();
        _ = connection.read_to_string(&mut answer).await;
        assert!(!answer.starts_with("HTTP/1.1 413"), "{rest:?}: {:?}", answer.lines().next());
    }
}
