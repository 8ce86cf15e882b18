//! What a token with an unknown `kid` is answered.

use std::time::Duration;

use orgate::testing::{Endpoint, Fault, TestIssuer};

use crate::support::{API, Api, builder, pass, token, with_kid};

#[tokio::test]
async fn not_in_a_set_that_was_fetched_to_make_sure() {
    let issuer = TestIssuer::start().await;
    let api = Api::new(builder(&issuer));
    let unknown = issuer.resource_token(API).signed_with_unknown_key().mint();
    assert!(api.get(&unknown).await.is_401("refresh"), "the first fetch is proof enough");
    assert_eq!(issuer.requests(Endpoint::Keys), 1);
    assert!(api.get(&unknown).await.is_401("refresh"), "remembered");
    assert_eq!(issuer.requests(Endpoint::Keys), 1);
    pass(&issuer.clock(), 30);
    assert!(api.get(&unknown).await.is_401("refresh"), "looked up again");
    assert_eq!(issuer.requests(Endpoint::Keys), 2);
}

#[tokio::test]
async fn the_budget_is_spent() {
    let issuer = TestIssuer::start().await;
    let (api, good) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&good).await.is_ok());
    assert!(api.get(with_kid(&good, "a")).await.is_401("refresh"));
    assert!(api.get(with_kid(&good, "b")).await.is_401("retry"), "within five seconds");
    pass(&issuer.clock(), 5);
    assert!(api.get(with_kid(&good, "b")).await.is_401("refresh"));
    pass(&issuer.clock(), 5);
    assert!(api.get(with_kid(&good, "c")).await.is_401("refresh"));
    pass(&issuer.clock(), 5);
    issuer.rotate();
    assert!(api.get(token(&issuer)).await.is_401("retry"), "three were spent");
    pass(&issuer.clock(), 15);
    assert!(api.get(token(&issuer)).await.is_ok(), "half a minute after the first");
    assert_eq!(issuer.requests(Endpoint::Keys), 5);
}

#[tokio::test]
async fn the_forced_fetch_fails() {
    let issuer = TestIssuer::start().await;
    let (api, good) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&good).await.is_ok());
    issuer.rotate();
    issuer.fail_always(Endpoint::All, Fault::Status(500));
    for _ in 0..3 {
        assert!(api.get(token(&issuer)).await.is_503());
        assert!(api.get(&good).await.is_ok());
    }
    assert_eq!(issuer.requests(Endpoint::Discovery), 2, "no fetch inside the back-off");
    issuer.recover();
    pass(&issuer.clock(), 5);
    assert!(api.get(token(&issuer)).await.is_ok());
}

#[tokio::test]
async fn the_wait_is_over() {
    let issuer = TestIssuer::start().await;
    let (api, good) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&good).await.is_ok());
    issuer.fail_next(Endpoint::Keys, Fault::Hang);
    let answer = tokio::time::timeout(Duration::from_millis(3500), api.get(with_kid(&good, "a"))).await;
    assert!(answer.expect("two seconds at most").is_401("retry"));
}

#[tokio::test]
async fn a_key_that_fits_no_algorithm_is_not_looked_up() {
    let issuer = TestIssuer::start().await;
    let api = Api::new(builder(&issuer));
    assert!(api.get(token(&issuer)).await.is_ok());
    let mismatched = issuer.resource_token(API).header("alg", "ES256").mint();
    assert!(api.get(mismatched).await.is_401("authenticate"));
    let without = issuer.resource_token(API).without_header("kid");
    assert!(api.get(without.mint()).await.is_ok(), "one key fits");
    issuer.publish(serde_json::json!({ "kty": "EC", "kid": "broken" }));
    issuer.rotate();
    assert!(api.get(token(&issuer)).await.is_ok());
    assert!(api.get(without.mint()).await.is_401("authenticate"), "two fit");
    assert!(api.get(with_kid(&token(&issuer), "broken")).await.is_401("authenticate"), "known, and of no use");
    assert_eq!(issuer.requests(Endpoint::Keys), 2);
}
