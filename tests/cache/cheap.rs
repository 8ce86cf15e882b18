//! What is rejected without a check or a fetch, and what is said about it.

use std::time::Duration;

use orgate::testing::{Endpoint, TestIssuer};

use crate::log::Log;
use crate::support::{API, Api, builder};

#[tokio::test]
async fn expired_by_its_own_word() {
    let issuer = TestIssuer::start().await;
    let (api, log) = (Api::new(builder(&issuer)), Log::start());
    let expired = || issuer.resource_token(API).expired();
    for token in [expired(), expired().forged(), expired().tampered(), expired().signed_with_unknown_key()] {
        let answer = api.get(token.mint()).await;
        assert!(answer.is_401("refresh"), "{answer:?}");
        let logged = log.take();
        assert!(logged.contains("expired_token") && logged.contains("unverified"), "{logged}");
        assert!(logged.contains("issuer=\"issuer\""), "{logged}");
    }
    assert_eq!(issuer.requests(Endpoint::All), 0, "nothing was worth a fetch");
}

/// Its end is judged before anybody verified it, and nothing else is: not the beginning, not the audience.
#[tokio::test]
async fn nothing_else_rests_on_what_is_not_verified() {
    let issuer = TestIssuer::start().await;
    let (api, log) = (Api::new(builder(&issuer)), Log::start());
    let token = || issuer.resource_token(API).forged();
    let ahead = Duration::from_secs(9_999_999_999);
    for wrong in [token().not_before(ahead), token().audience(["https://elsewhere.example"]), token().subject("")] {
        assert!(api.get(wrong.mint()).await.is_401("authenticate"));
        let logged = log.take();
        assert!(logged.contains("the signature is wrong") && !logged.contains("unverified"), "{logged}");
    }
    for unreadable in [token().without_claim("exp"), token().claim("exp", "soon"), token().claim("exp", [1])] {
        assert!(api.get(unreadable.mint()).await.is_401("authenticate"));
        assert!(log.take().contains("the signature is wrong"), "what is signed comes first");
    }
}

#[tokio::test]
async fn of_an_issuer_that_nobody_trusts() {
    let issuer = TestIssuer::start().await;
    let (api, log) = (Api::new(builder(&issuer)), Log::start());
    let other = || issuer.resource_token(API).issuer("https://other.example");
    for token in [other(), other().forged(), other().expired(), other().signed_with_unknown_key()] {
        assert!(api.get(token.mint()).await.is_401("authenticate"));
        assert!(log.take().contains("unverified"));
    }
    assert_eq!(issuer.requests(Endpoint::All), 0);
}

#[tokio::test]
async fn an_unknown_kid_is_not_looked_up_for_what_has_expired() {
    let issuer = TestIssuer::start().await;
    let api = Api::new(builder(&issuer));
    assert!(api.get(issuer.resource_token(API).mint()).await.is_ok());
    let fetched = issuer.requests(Endpoint::All);
    for _ in 0..5 {
        issuer.clock().advance_monotonic(Duration::from_secs(40));
        let token = issuer.resource_token(API).expired().signed_with_unknown_key();
        assert!(api.get(token.mint()).await.is_401("refresh"));
    }
    assert_eq!(issuer.requests(Endpoint::All), fetched);
    let fresh = issuer.resource_token(API).signed_with_unknown_key();
    assert!(api.get(fresh.mint()).await.is_401("retry"));
    assert_eq!(issuer.requests(Endpoint::Keys), 2, "the budget was not touched");
}

/// A forged twin of a token, rejected before or after it: neither changes what the other one is.
#[tokio::test]
async fn rejections_are_not_remembered() {
    let issuer = TestIssuer::start().await;
    let api = Api::new(builder(&issuer));
    let good = issuer.resource_token(API).expires_in(Duration::from_secs(100)).mint();
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    for _ in 0..2 {
        assert!(api.get(&forged).await.is_401("authenticate"));
        assert!(api.get(&good).await.is_ok());
    }
    issuer.clock().advance(Duration::from_secs(200));
    assert!(api.get(&forged).await.is_401("refresh"), "as its end says");
    assert!(api.get(&good).await.is_401("refresh"));
}
