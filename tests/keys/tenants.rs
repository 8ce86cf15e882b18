//! Issuer entries come and go while the server runs.

use std::sync::Arc;

use axum::routing::get;
use axum::{Router, body::Body};
use http::Request;
use orgate::policy::resource;
use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::{Issuer, ResourceServer};
use tower::ServiceExt as _;

use crate::support::{API, Api, builder, pass, token, with_kid};

fn tenant(issuer: &TestIssuer) -> Issuer {
    Issuer::new(issuer.url()).name("tenant")
}

async fn status(app: &Router, token: &str) -> u16 {
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_tenant_that_comes_is_reached_only_where_a_policy_says_so() {
    let (main, other) = (TestIssuer::start().await, TestIssuer::start().await);
    let server = builder(&main).build().unwrap();
    let app = |policy| server.guard().route("/", get(|| async {}), policy).into_router().unwrap();
    let (before, anybody) = (app(resource()), app(resource().any_issuer()));
    assert_eq!(status(&anybody, &token(&other)).await, 401);
    assert_eq!(other.requests(Endpoint::All), 0, "nothing is fetched for an issuer that is not trusted");

    server.add_issuer(tenant(&other)).unwrap();
    let named = app(resource().issued_by("tenant"));
    for (app, of_main, of_tenant) in [(&before, 200, 403), (&anybody, 200, 200), (&named, 403, 200)] {
        assert_eq!((status(app, &token(&main)).await, status(app, &token(&other)).await), (of_main, of_tenant));
    }
}

#[tokio::test]
async fn a_tenant_that_goes_takes_its_keys_along() {
    let (main, other) = (TestIssuer::start().await, TestIssuer::start().await);
    let server = builder(&main).issuer(tenant(&other)).build().unwrap();
    let (api, good) = (Api::of(&server), token(&other));
    assert!(api.get(&good).await.is_ok());
    server.issuer("tenant").unwrap().remove().unwrap();
    assert!(api.get(&good).await.is_401("authenticate"));
    assert!(api.get(token(&main)).await.is_ok());
    assert_eq!(server.keys().len(), 1);
    // Back again it starts without keys.
    server.add_issuer(tenant(&other)).unwrap();
    assert!(api.get(&good).await.is_ok());
    assert_eq!(other.requests(Endpoint::Keys), 2);
}

#[tokio::test]
async fn a_request_that_waits_for_the_key_of_a_tenant_that_goes() {
    for comes_back in [false, true] {
        let (main, other) = (TestIssuer::start().await, TestIssuer::start().await);
        let server = builder(&main).issuer(tenant(&other)).build().unwrap();
        let (api, good) = (Api::of(&server), token(&other));
        other.fail_next(Endpoint::Keys, Fault::Hold);
        let waiting = tokio::spawn(async move { api.get(good).await });
        other.wait_for_requests(Endpoint::Keys, 1).await;
        server.issuer("tenant").unwrap().remove().unwrap();
        if comes_back {
            server.add_issuer(tenant(&other)).unwrap();
        }
        other.release();
        let answer = waiting.await.unwrap();
        assert!(if comes_back { answer.is_503() } else { answer.is_401("authenticate") }, "{answer:?}");
    }
}

#[tokio::test]
async fn the_fetch_of_a_tenant_that_goes_ends() {
    let (main, other) = (TestIssuer::start().await, TestIssuer::start().await);
    let server = builder(&main).issuer(tenant(&other)).build().unwrap();
    other.fail_next(Endpoint::Keys, Fault::Hang);
    let ready = tokio::spawn(server.issuer("tenant").unwrap().refresh_keys());
    other.wait_for_requests(Endpoint::Keys, 1).await;
    server.issuer("tenant").unwrap().remove().unwrap();
    ready.abort();
    while other.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_issuer_that_is_slow_or_hostile_is_alone_with_that() {
    let (good, bad) = (TestIssuer::start().await, TestIssuer::start().await);
    let server = ResourceServer::builder(good.url(), API).issuer(tenant(&bad)).clock(good.clock()).build().unwrap();
    let api = Api::of(&server);
    assert!(api.get(token(&good)).await.is_ok() && api.get(token(&bad)).await.is_ok());
    bad.fail_always(Endpoint::All, Fault::Hang);
    let hanging = tokio::spawn({
        let (api, unknown) = (api.clone(), with_kid(&token(&bad), "unknown"));
        async move { api.get(unknown).await }
    });
    bad.wait_for_requests(Endpoint::Discovery, 2).await;
    for number in 0..100 {
        api.get(with_kid(&token(&bad), &format!("kid-{number}"))).await;
    }
    good.rotate();
    pass(&good.clock(), 5);
    assert!(api.get(token(&good)).await.is_ok(), "its own budget, its own fetch");
    assert!(api.get(token(&bad)).await.is_ok(), "a known key does not wait");
    assert!(hanging.await.unwrap().is_401("retry"));
}

#[tokio::test]
async fn tenants_come_and_go_while_requests_are_served() {
    let (main, other) = (TestIssuer::start().await, TestIssuer::start().await);
    let server = Arc::new(builder(&main).build().unwrap());
    let (api, of_main, of_tenant) = (Api::of(&server), token(&main), token(&other));
    assert!(api.get(&of_main).await.is_ok());
    let churn = tokio::spawn({
        let (server, entry) = (server.clone(), tenant(&other).jwks_json(other.jwks_json()));
        async move {
            for _ in 0..50 {
                server.add_issuer(entry.clone()).unwrap();
                tokio::task::yield_now().await;
                server.issuer("tenant").unwrap().remove().unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    while !churn.is_finished() {
        assert!(api.get(&of_main).await.is_ok());
        let answer = api.get(&of_tenant).await;
        assert!(answer.is_ok() || answer.is_401("authenticate"), "{answer:?}");
        tokio::task::yield_now().await;
    }
    churn.await.unwrap();
    assert!(api.get(&of_tenant).await.is_401("authenticate"));
}

/// What one issuer may sign with says nothing about another (RFC 8725 section 3.1).
#[tokio::test]
async fn each_issuer_has_its_own_algorithms() {
    let (strict, wide) = (TestIssuer::start().await, TestIssuer::start().await);
    let only_rsa = Issuer::new(strict.url()).algorithms([orgate::issuer::Algorithm::Rs256]);
    let server = ResourceServer::builder(only_rsa, API).issuer(tenant(&wide)).clock(strict.clock()).build().unwrap();
    let api = Api::of(&server);
    assert!(api.get(token(&wide)).await.is_ok());
    assert!(api.get(token(&strict)).await.is_401("authenticate"), "ES384 is not among its algorithms");
    assert_eq!(strict.requests(Endpoint::All), 0, "it is refused before a key is looked for");
    strict.rotate_to(orgate::issuer::Algorithm::Rs256);
    assert!(api.get(token(&strict)).await.is_ok());
}
