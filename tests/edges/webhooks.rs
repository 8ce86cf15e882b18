//! Deliveries: what is read of them, what they may say, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use orgate::logto::webhooks::{SigningKeys, Webhooks};
use orgate::permit::{Permit, PermitBridge};
use orgate::policy::resource;
use orgate::respond::RejectionBody;
use orgate::testing::{TestClock, TestIssuer, TestPermit, TestTenant};
use orgate::time::Clock as _;
use orgate::{Issuer, Rejection, ResourceServer};
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
    // A policy that says no issuer means the removed entry only.
    let policy = resource().issued_by("customers");
    let guard = server.guard().get("/", async || "", policy).public("/hook", hooks.endpoint());
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
async fn a_body_that_breaks_off_is_a_bad_request_and_not_too_large() {
    let world = World::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, app) = (listener.local_addr().unwrap(), hook(&world.server));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    // In the form of a signature, or the body would not be read.
    let signature = "0".repeat(64);
    let head =
        format!("POST /hook HTTP/1.1\r\nhost: a\r\nconnection: close\r\nlogto-signature-sha-256: {signature}\r\n");
    for rest in ["content-length: 500\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"] {
        let mut connection = tokio::net::TcpStream::connect(at).await.unwrap();
        connection.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
        connection.shutdown().await.unwrap();
        let mut answer = String::new();
        _ = connection.read_to_string(&mut answer).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{rest:?}: {:?}", answer.lines().next());
    }
}

/// Answers of a hook, rejected for the reason in the body, in the shape of the rest of the API.
async fn rejected(app: &Router, request: Request<Body>) -> (u16, String, serde_json::Value) {
    let answer = app.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    assert_eq!(headers["cache-control"], "no-store");
    assert!(!headers.contains_key("www-authenticate"), "no token would help: {headers:?}");
    let kind = headers["content-type"].to_str().unwrap().to_owned();
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
    (status, kind, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn rejected_deliveries_have_the_body_of_every_rejection() {
    let (tenant, clock) = (TestTenant::start().await, TestClock::new(START));
    let issuer = issuer_at(&clock).await;
    let build = |shaped: bool| {
        let builder = ResourceServer::builder(Issuer::new(issuer.url()).name("main"), API).clock(clock.clone());
        let shape = |rejection: &Rejection, _: &HeaderMap| {
            RejectionBody::json(&json!({ "code": rejection.kind().as_str(), "message": rejection.description() }))
        };
        if shaped { builder.rejection_body(shape) } else { builder }.build().unwrap()
    };
    let routes = |server: &ResourceServer| -> Router {
        let (handle, own) = (server.issuer("main").unwrap(), server.clone());
        let keys = signing_keys(&tenant);
        let (resolved, none) = (keys.clone(), Webhooks::resolve(|_| None));
        let found = Webhooks::resolve(move |_| Some((own.issuer("main").ok()?, resolved.clone())));
        let guard = server.guard().public("/hook", handle.webhooks(keys).endpoint()).public("/found", found.endpoint());
        guard.public("/none", none.rejections_of(server).endpoint()).into_router().unwrap()
    };
    let signed = |path: &str, body: &str| {
        let (headers, body) = tenant.sign_delivery(body.to_owned()).into_parts();
        let mut request = Request::post(path).body(Body::from(body)).unwrap();
        *request.headers_mut() = headers;
        request
    };
    let with = |path: &str, signature: &str, body: Body| {
        Request::post(path).header("logto-signature-sha-256", signature).body(body).unwrap()
    };
    let large = || Body::from(vec![b' '; 1024 * 1024 + 1]);
    let broken = || Body::from_stream(futures_util::stream::iter([Ok("{"), Err(std::io::Error::other("gone"))]));
    let zeros = "0".repeat(64);
    let (plain, shaped) = (build(false), build(true));
    for (is_shaped, server) in [(false, &plain), (true, &shaped)] {
        let app = routes(server);
        for (request, status, code) in [
            (Request::post("/hook").body(Body::empty()).unwrap(), 401, "webhook_signature"),
            (Request::post("/found").body(Body::empty()).unwrap(), 401, "webhook_signature"),
            (with("/hook", &zeros, Body::from("{}")), 401, "webhook_signature"),
            (with("/hook", &zeros, large()), 413, "webhook_too_large"),
            (with("/hook", &zeros, broken()), 400, "webhook_body"),
            (signed("/hook", "[]"), 400, "webhook_body"),
            (signed("/none", "{}"), 404, "webhook_recipient"),
        ] {
            let path = request.uri().path().to_owned();
            let (found, kind, body) = rejected(&app, request).await;
            assert_eq!(found, status, "{path} {code}: {body}");
            if is_shaped {
                assert_eq!((kind.as_str(), &body["code"]), ("application/json", &json!(code)), "{path} {code}");
                assert!(body["message"].as_str().unwrap().ends_with('.'));
            } else {
                assert_eq!((kind.as_str(), &body["status"]), ("application/problem+json", &json!(status)), "{path}");
            }
        }
        server.issuer("main").unwrap().remove().unwrap();
        let (status, _, body) = rejected(&app, signed("/hook", "{}")).await;
        assert_eq!((status, body["code"] == "webhook_gone"), (410, is_shaped), "{body}");
    }
}

/// Ten seconds, which Logto would wait too.
#[tokio::test]
async fn a_delivery_that_never_ends_is_rejected_in_the_same_shape() {
    let server = ResourceServer::builder("https://tenant.logto.app/oidc", API).build().unwrap();
    let hooks = server.issuers()[0].webhooks(SigningKeys::new(["key"]).unwrap());
    let app: Router = server.guard().public("/hook", hooks.endpoint()).into_router().unwrap();
    let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let request = Request::post("/hook").header("logto-signature-sha-256", "0".repeat(64)).body(body).unwrap();
    let (status, _, body) = rejected(&app, request).await;
    assert_eq!((status, &body["remediation"]), (408, &json!("retry")));
}

/// gRPC's form, where a hook is called as a gRPC service is.
#[tokio::test]
async fn a_rejected_delivery_over_grpc_is_trailers_only() {
    let world = World::new().await;
    let request = Request::post("/hook").version(http::Version::HTTP_2).header("content-type", "application/grpc");
    let answer = hook(&world.server).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &http::HeaderValue::from(16)));
}
