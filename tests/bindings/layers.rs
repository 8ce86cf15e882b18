//! Several layers of one request, and the waits in between.

use axum::Router;
use orgate::future::BoxFuture;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{authenticated, optional, resource};
use orgate::testing::TestIssuer;
use orgate::token::binding::Dpop;
use orgate::{Issuer, ResourceServer};

use super::support::{API, World, app, plain, request, send};

#[tokio::test]
async fn two_layers_of_one_server_ask_for_one_proof() {
    let world = World::start().await;
    let require = |policy| world.server.require(policy).unwrap();
    let app: Router = plain().layer(require(resource().scope("read:orders"))).layer(require(authenticated()));
    let token = world.token();
    let proof = world.proof(&token).mint();
    let sent = async || send(&app, request("GET", "/orders", "DPoP", &token, &[&proof])).await;
    sent().await.passes();
    sent().await.is_refused("invalid_dpop_proof", "new_proof");
}

struct Holds;

impl PermissionSource for Holds {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(async { Ok(Permissions::of(["read:orders"])) })
    }
}

/// The inner layer decides twice: the proof that the outer one accepted is accepted both times.
#[tokio::test]
async fn two_layers_ask_for_one_proof_when_the_inner_one_waits() {
    let issuer = TestIssuer::start().await;
    let trusted = Issuer::new(issuer.url()).permissions(Holds);
    let server = ResourceServer::builder(trusted, API).clock(issuer.clock()).dpop(Dpop::new(API)).build().unwrap();
    let require = |policy| server.require(policy).unwrap();
    let live = resource().scope("read:orders").live();
    let app: Router = plain().layer(require(live)).layer(require(authenticated()));
    let world = World::of(issuer, server);
    let token = world.token();
    let proof = world.proof(&token).mint();
    let sent = async || send(&app, request("GET", "/orders", "DPoP", &token, &[&proof])).await;
    sent().await.passes();
    sent().await.is_refused("invalid_dpop_proof", "new_proof");
}

#[tokio::test]
async fn two_servers_each_ask_for_the_proof() {
    let world = World::start().await;
    let other = ResourceServer::builder(world.issuer.url(), API).clock(world.issuer.clock());
    let other = other.dpop(Dpop::new("https://other.example")).build().unwrap();
    let inner = plain().layer(other.require(resource()).unwrap());
    let both = inner.layer(world.server.require(resource()).unwrap());
    let token = world.token();
    let seen = send(&both, request("GET", "/orders", "DPoP", &token, &[&world.proof(&token).mint()])).await;
    seen.is_refused("invalid_dpop_proof", "new_proof");
}

#[tokio::test]
async fn a_request_that_waits_for_a_key_uses_its_proof_once() {
    let world = World::start().await;
    // Nothing was fetched yet: each first request waits.
    let token = world.token();
    let proof = world.proof(&token).mint();
    world.send("DPoP", &token, &[&proof]).await.passes();
    world.send("DPoP", &token, &[&proof]).await.is_refused("invalid_dpop_proof", "new_proof");
    let replica = ResourceServer::builder(world.issuer.url(), API)
        .clock(world.issuer.clock())
        .dpop(Dpop::new(API))
        .max_concurrent_verifications(1)
        .build()
        .unwrap();
    let app = app(&replica);
    let requests = (0..24).map(|_| {
        let (app, request) = (app.clone(), request("GET", "/orders", "DPoP", &token, &[&world.proof(&token).mint()]));
        tokio::spawn(async move { send(&app, request).await.status })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn under_an_optional_policy_a_bad_proof_is_rejected() {
    let world = World::start().await;
    let app = Router::new()
        .route("/orders", axum::routing::get(async || "anybody"))
        .layer(world.server.require(optional(resource())).unwrap());
    let token = world.token();
    send(&app, request("GET", "/orders", "DPoP", &token, &[])).await.is_refused("invalid_dpop_proof", "new_proof");
    let bare = http::Request::get("/orders").body(axum::body::Body::empty()).unwrap();
    assert_eq!(send(&app, bare).await.body, "anybody");
}

#[tokio::test]
async fn proofs_are_kept_out_of_logs_of_the_headers() {
    let world = World::start().await;
    let token = world.token();
    let proof = world.proof(&token).mint();
    let requirement = world.server.requirement(resource()).unwrap();
    let (mut parts, ()) = request("GET", "/orders", "DPoP", &token, &[&proof]).map(drop).into_parts();
    let grant = requirement.authorize(&mut parts).await.unwrap();
    assert!(grant.token().is_some() && grant.next_nonce().is_none());
    for header in ["authorization", "dpop"] {
        assert!(parts.headers[header].is_sensitive(), "{header}");
    }
}
