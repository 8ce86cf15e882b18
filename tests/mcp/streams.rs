//! What a server streams ends with the right to it: with the token, a revocation, or a loss of permissions.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use orgate::change::{About, Change};
use orgate::future::BoxFuture;
use orgate::mcp::{RequestBody, Tools};
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::resource;
use orgate::testing::TestIssuer;
use orgate::time::Clock as _;
use orgate::{Guard, Issuer, Policy, ResourceServer};
use serde_json::json;
use tower::service_fn;

use super::support::*;

/// What everybody holds.
#[derive(Clone)]
struct Source(Arc<Mutex<HashSet<&'static str>>>);

impl PermissionSource for Source {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        let held = self.0.lock().unwrap().clone();
        Box::pin(async move { Ok(Permissions::of(held)) })
    }
}

/// Streams one message and nothing more, to whoever asks for anything.
struct Streams {
    issuer: TestIssuer,
    server: ResourceServer,
    source: Source,
    address: SocketAddr,
}

impl Streams {
    async fn start(tools: Tools) -> Self {
        let (issuer, source) = (TestIssuer::start().await, Source(Arc::new(Mutex::new(["a", "b", "c"].into()))));
        let entry = Issuer::new(issuer.url()).name("main").permissions(source.clone());
        let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
        let service = service_fn(async |_: Request<RequestBody<Body>>| {
            let message = Ok::<_, Infallible>(Bytes::from("data: {}\n\n"));
            let body = Body::from_stream(stream::once(async { message }).chain(stream::pending()));
            Ok::<_, Infallible>(Response::builder().header("content-type", "text/event-stream").body(body).unwrap())
        });
        let guard: Guard = server.guard().mcp("/mcp", service, tools);
        let address = serve(guard.into_router().unwrap()).await;
        Self { issuer, server, source, address }
    }

    /// A stream whose first message has arrived.
    async fn open(&self, version: Http, method: &str, body: Option<&str>) -> reqwest::Response {
        let token = self.issuer.resource_token(API).subject("alice").scope("a b c");
        let token = token.expires_in(Duration::from_secs(600)).mint();
        let url = format!("http://{}/mcp", self.address);
        let body = body.map(|body| body.to_owned().into());
        let mut response = head(&client(version), method, &url, Some(&token), &[], body).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.chunk().await.unwrap().unwrap(), "data: {}\n\n");
        response
    }

    fn apply(&self, change: impl FnOnce(&str, SystemTime) -> Change) {
        let entry = self.server.issuer("main").unwrap();
        let now = SystemTime::UNIX_EPOCH + self.issuer.clock().now().unix;
        entry.apply_change(&change(entry.issuer(), now)).unwrap();
    }
}

/// The rest of a stream that ends.
async fn rest(response: reqwest::Response) -> String {
    tokio::time::timeout(Duration::from_secs(20), response.text()).await.expect("an end").unwrap()
}

fn scoped(scope: &str) -> Policy {
    resource().scope(scope)
}

fn fresh(scope: &str) -> Policy {
    scoped(scope).fresh_within(Duration::from_secs(3600))
}

#[tokio::test]
async fn stream_ends_with_its_token_and_says_so() {
    let tools = || Tools::new(scoped("a")).tool("t", scoped("b"));
    for version in [Http::One, Http::Two] {
        for (method, body) in [("GET", None), ("POST", Some(call("t", json!({})).to_string()))] {
            let world = Streams::start(tools()).await;
            let stream = world.open(version, method, body.as_deref()).await;
            assert_eq!(world.server.usage().leases, 1);
            world.issuer.clock().advance(Duration::from_secs(700));
            let rest = rest(stream).await;
            assert!(rest.contains("event: end\n") && rest.contains("\"expired\""), "{version:?} {method}: {rest}");
            assert_eq!(world.server.usage().leases, 0);
        }
    }
}

#[tokio::test]
async fn stream_of_a_call_ends_with_a_revocation_and_a_plain_response_leaves_no_lease() {
    let world = Streams::start(Tools::new(scoped("a"))).await;
    let stream = world.open(Http::One, "GET", None).await;
    world.apply(|iss, at| Change::not_before(iss, About::subject("alice"), at + Duration::from_secs(61)));
    assert!(rest(stream).await.contains("\"revoked\""));

    let plain = World::start(tools()).await;
    assert_eq!(plain.call(Some(&plain.token("mcp:read")), "whoami", json!({})).await.status, 200);
    assert_eq!(plain.server.usage().leases, 0);
}

#[tokio::test]
async fn subscription_to_several_resources_ends_when_the_right_to_one_of_them_does() {
    let uris = json!({ "notifications": { "resourceSubscriptions": ["x:b", "x:c"] } });
    let listen = message("subscriptions/listen", &uris).to_string();
    for lost in ["a", "b", "c"] {
        let tools = Tools::new(fresh("a")).resource("x:b", fresh("b")).resource("x:c", fresh("c"));
        let world = Streams::start(tools).await;
        let stream = world.open(Http::Two, "POST", Some(&listen)).await;
        assert_eq!(world.server.usage().leases, 3);
        world.source.0.lock().unwrap().remove(lost);
        world.apply(|iss, at| Change::edited(iss, About::subject("alice"), at));
        assert!(rest(stream).await.contains("\"permission_lost\""), "{lost}");
        assert_eq!(world.server.usage().leases, 0, "{lost}");
    }
}
