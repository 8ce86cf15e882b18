//! Decision points whose metadata takes long, and clients that hang up meanwhile; subjects of several issuers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use orgate::authzen::AuthZen;
use orgate::decision::Decider;
use orgate::future::BoxFuture;
use orgate::http::{Fetch, FetchError, HttpClient};
use orgate::permit::{Permit, PermitUser};
use orgate::policy::{path, resource};
use orgate::testing::{TestClock, TestIssuer, TestPermit};
use orgate::{Issuer, Organization, ResourceServer};
use serde_json::json;

use crate::support::{API, START, get, issuer_at};

const PDP: &str = "https://pdp.example.com";

/// Metadata takes 900 ms; evaluations deny at once.
struct SlowMetadata(Arc<AtomicUsize>);

impl Fetch for SlowMetadata {
    fn fetch(&self, request: Request<Bytes>, _: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            let answer = if request.method() == http::Method::GET {
                self.0.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(900)).await;
                json!({ "policy_decision_point": PDP, "access_evaluation_endpoint": format!("{PDP}/e") })
            } else {
                json!({ "decision": false })
            };
            Ok(Response::new(answer.to_string().into()))
        })
    }
}

struct World {
    app: Router,
    token: String,
    asked: Arc<AtomicUsize>,
    _issuer: TestIssuer,
}

impl World {
    async fn new() -> Self {
        let issuer = TestIssuer::start().await;
        let asked = Arc::new(AtomicUsize::new(0));
        let client = HttpClient::custom(SlowMetadata(asked.clone()));
        let pdp = AuthZen::builder(PDP).http_client(client).build().unwrap();
        let server = ResourceServer::builder(issuer.url(), API)
            .clock(issuer.clock())
            .decision_point(Decider::builder(pdp).build().unwrap())
            .build()
            .unwrap();
        server.ready().await.unwrap();
        let asks = || resource().decide("read", "document", path("id"));
        let app = server
            .guard()
            .get("/d/{id}", async || "", asks())
            .get("/open/{id}", async || "", asks().dangerous_allow_on_error())
            .into_router()
            .unwrap();
        Self { app, token: issuer.resource_token(API).mint(), asked, _issuer: issuer }
    }

    /// The point denies everything.
    async fn assert_denied(&self) {
        let (plain, open) = tokio::join!(get(&self.app, "/d/2", &self.token), get(&self.app, "/open/3", &self.token));
        let asked = self.asked.load(Ordering::SeqCst);
        assert_eq!(
            (plain, open),
            (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN),
            "metadata was asked for {asked} times"
        );
    }
}

#[tokio::test]
async fn slow_metadata_is_waited_for() {
    let world = World::new().await;
    for _ in 0..4 {
        let (app, token) = (world.app.clone(), world.token.clone());
        tokio::spawn(async move { get(&app, "/d/1", &token).await });
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.assert_denied().await;
}

/// A server drops the future of a request whose client hung up.
#[tokio::test]
async fn a_client_that_hangs_up_ends_the_metadata_fetch_for_no_other() {
    let world = World::new().await;
    for number in 0..4_u64 {
        let (app, token) = (world.app.clone(), world.token.clone());
        let limit = Duration::from_millis(600 * (number + 1));
        tokio::spawn(async move { _ = tokio::time::timeout(limit, get(&app, "/d/1", &token)).await });
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.assert_denied().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_closes_ends_the_metadata_fetch_for_no_other() {
    use tokio::io::AsyncWriteExt as _;
    let world = World::new().await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = world.app.clone();
    tokio::spawn(async move { axum::serve(listener, served).await.unwrap() });
    for number in 0..4_u64 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET /d/1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", world.token);
        stream.write_all(request.as_bytes()).await.unwrap();
        // The first in the queue is the first to hang up.
        tokio::time::sleep(Duration::from_millis(15)).await;
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(600 * (number + 1))).await;
            drop(stream);
        });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.assert_denied().await;
}

#[tokio::test]
async fn permit_does_not_take_the_subject_of_another_issuer_for_its_own() {
    let clock = TestClock::new(START);
    let (customers, evil) = (issuer_at(&clock).await, issuer_at(&clock).await);
    let double = TestPermit::start().await;
    double.permission("member", "read", "document");
    let permit = Permit::builder(double.url(), TestPermit::KEY).api(double.url());
    let permit = permit.issued_by("customers").build().unwrap();
    permit.sync_user(&PermitUser::new("alice")).await.unwrap();
    permit.sync_tenant("acme", "").await.unwrap();
    permit.assign_role("alice", "member", "acme").await.unwrap();
    let server = ResourceServer::builder(Issuer::new(customers.url()).name("customers"), API)
        .issuer(Issuer::new(evil.url()).name("evil"))
        .clock(clock)
        .decision_point(Decider::builder(permit).build().unwrap())
        .build()
        .unwrap();
    let policy = || resource().in_organization(path("org")).decide("read", "document", path("id")).any_issuer();
    let app = server
        .guard()
        .get("/orgs/{org}/d/{id}", async |org: Organization| org.id().to_owned(), policy())
        .get("/open/{org}/d/{id}", async || "", policy().dangerous_allow_on_error())
        .into_router()
        .unwrap();
    let alice = customers.organization_resource_token(API, "acme").subject("alice").mint();
    let forged = evil.organization_resource_token(API, "acme").subject("alice").mint();
    assert_eq!(get(&app, "/orgs/acme/d/1", &alice).await, StatusCode::OK);
    double.take_calls();
    for path in ["/orgs/acme/d/1", "/open/acme/d/1"] {
        assert_eq!(get(&app, path, &forged).await, StatusCode::SERVICE_UNAVAILABLE, "{path}: an error, not a denial");
    }
    assert!(double.take_calls().is_empty());
}
