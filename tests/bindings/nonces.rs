//! Nonces of the server.

use std::time::Duration;

use orgate::time::Clock as _;
use orgate::token::binding::{Dpop, Nonces};

use super::support::{API, World, app, request, send};

const SECRET: [u8; 32] = [7; 32];

fn required() -> Nonces {
    Nonces::required().secret(SECRET).lifetime(Duration::from_secs(40))
}

#[tokio::test]
async fn a_client_repeats_its_request_with_the_nonce_of_the_response() {
    let world = World::configured(|dpop| dpop.nonces(required())).await;
    let token = world.token();
    let first = world.call(&token).await;
    first.is_refused("use_dpop_nonce", "use_nonce");
    let nonce = first.nonce().unwrap();
    let second = world.send("DPoP", &token, &[&world.proof(&token).nonce(&nonce).mint()]).await;
    second.passes();
    assert_eq!(second.nonce(), None, "it is the present one");
    assert_eq!(first.headers.get("cache-control").unwrap(), "no-store");
}

#[tokio::test]
async fn a_newer_nonce_comes_with_the_response_before_the_old_one_expires() {
    let world = World::configured(|dpop| dpop.nonces(required())).await;
    let token = world.token();
    let mut nonce = world.call(&token).await.nonce().unwrap();
    for _ in 0..10 {
        world.issuer.clock().advance(Duration::from_secs(15));
        let seen = world.send("DPoP", &token, &[&world.proof(&token).nonce(&nonce).mint()]).await;
        seen.passes();
        nonce = seen.nonce().unwrap();
    }
    world.issuer.clock().advance(Duration::from_secs(60));
    let seen = world.send("DPoP", &token, &[&world.proof(&token).nonce(&nonce).mint()]).await;
    seen.is_refused("use_dpop_nonce", "use_nonce");
    assert!(seen.nonce().is_some_and(|newer| newer != nonce));
}

#[tokio::test]
async fn a_nonce_of_a_stranger_is_rejected_and_one_of_a_replica_passes() {
    let world = World::configured(|dpop| dpop.nonces(required())).await;
    let token = world.token();
    let nonce = world.call(&token).await.nonce().unwrap();
    let replica = |nonces| {
        let builder = orgate::ResourceServer::builder(world.issuer.url(), API).clock(world.issuer.clock());
        app(&builder.dpop(Dpop::new(API).nonces(nonces)).build().unwrap())
    };
    let asked = async |app: &axum::Router| {
        let proof = world.proof(&token).nonce(&nonce).mint();
        send(app, request("GET", "/orders", "DPoP", &token, &[&proof])).await
    };
    asked(&replica(required())).await.passes();
    asked(&replica(Nonces::required())).await.is_refused("use_dpop_nonce", "use_nonce");
}

/// A client whose clock is an hour late, and one whose clock is right.
#[tokio::test]
async fn on_demand_a_nonce_takes_the_place_of_a_wrong_clock() {
    let world = World::configured(|dpop| dpop.nonces(Nonces::on_demand().secret(SECRET))).await;
    let token = world.token();
    let right = world.call(&token).await;
    right.passes();
    assert!(right.nonce().is_some(), "offered, not asked for");
    let late = world.issuer.clock().now().unix.checked_sub(Duration::from_secs(3600)).unwrap();
    let seen = world.send("DPoP", &token, &[&world.proof(&token).issued_at(late).mint()]).await;
    seen.is_refused("use_dpop_nonce", "use_nonce");
    let proof = world.proof(&token).issued_at(late).nonce(seen.nonce().unwrap()).mint();
    world.send("DPoP", &token, &[&proof]).await.passes();
    world.send("DPoP", &token, &[&proof]).await.is_refused("invalid_dpop_proof", "new_proof");
}

#[tokio::test]
async fn without_nonces_none_is_sent() {
    let world = World::start().await;
    let token = world.token();
    assert_eq!(world.call(&token).await.nonce(), None);
    world.send("DPoP", &token, &[&world.proof(&token).nonce("of the issuer").mint()]).await.passes();
}
