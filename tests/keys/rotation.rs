//! Keys come and go at the issuer.

use futures_util::future::join;
use orgate::testing::{Endpoint, Fault, TestIssuer};

use crate::log::Log;
use crate::support::{API, Api, REFRESHED, builder, pass, token, with_kid};

#[tokio::test]
async fn the_first_request_after_a_rotation_passes() {
    let issuer = TestIssuer::start().await;
    let (api, old) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&old).await.is_ok());
    for rotations in 1..=2 {
        issuer.rotate();
        pass(&issuer.clock(), 5);
        assert!(api.get(token(&issuer)).await.is_ok());
        assert!(api.get(&old).await.is_ok());
        assert_eq!(issuer.requests(Endpoint::Keys), 1 + rotations);
    }
}

#[tokio::test]
async fn an_announced_key_costs_nothing_when_it_signs() {
    let issuer = TestIssuer::start().await;
    issuer.announce();
    let api = Api::new(builder(&issuer));
    assert!(api.get(token(&issuer)).await.is_ok());
    issuer.switch();
    assert!(api.get(token(&issuer)).await.is_ok());
    assert_eq!(issuer.requests(Endpoint::Keys), 1);
}

#[tokio::test]
async fn a_flood_of_unknown_kids_costs_the_budget_and_no_more() {
    let issuer = TestIssuer::start().await;
    let (api, good) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&good).await.is_ok());
    let (mut refresh, mut retry) = (0, 0);
    for number in 0..10_000 {
        if number % 1000 == 0 {
            // A minute in all: three fetches, one more after 30 s, at least five seconds apart.
            pass(&issuer.clock(), 6);
        }
        let answer = api.get(with_kid(&good, &format!("kid-{number}"))).await;
        refresh += usize::from(answer.is_401("refresh"));
        retry += usize::from(answer.is_401("retry"));
    }
    assert_eq!(refresh + retry, 10_000);
    assert_eq!(issuer.requests(Endpoint::Keys), 1 + refresh);
    assert!((4..=5).contains(&refresh), "{refresh}");
    assert!(api.get(&good).await.is_ok());
}

#[tokio::test]
async fn a_known_key_never_waits_for_an_unknown_one() {
    let issuer = TestIssuer::start().await;
    let (api, good) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&good).await.is_ok());
    issuer.fail_next(Endpoint::Keys, Fault::Hold);
    let (unknown, ()) = join(api.get(with_kid(&good, "unknown")), async {
        issuer.wait_for_requests(Endpoint::Keys, 2).await;
        assert!(api.get(&good).await.is_ok());
        assert_eq!(issuer.in_flight(), 1, "answered while the fetch was held");
        issuer.release();
    })
    .await;
    assert!(unknown.is_401("refresh"), "{unknown:?}");
}

#[tokio::test]
async fn a_removed_key_ends_with_the_refresh() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    let (api, old) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&old).await.is_ok());
    issuer.rotate_without_overlap();
    assert!(api.get(&old).await.is_ok(), "nobody has looked yet");
    pass(&issuer.clock(), 540);
    assert!(api.get(&old).await.is_ok(), "the refresh is in the background");
    log.wait_for(REFRESHED, 2).await;
    assert!(api.get(&old).await.is_401("refresh"));
    assert!(api.get(token(&issuer)).await.is_ok());
}

#[tokio::test]
async fn other_numbers_under_the_same_kid() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    let (api, old) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&old).await.is_ok());
    issuer.replace_key_keeping_kid();
    assert!(api.get(token(&issuer)).await.is_401("authenticate"), "the signature does not fit the known key");
    pass(&issuer.clock(), 540);
    assert!(api.get(&old).await.is_ok());
    log.wait_for(REFRESHED, 2).await;
    assert!(api.get(&old).await.is_401("authenticate"));
    assert!(api.get(token(&issuer)).await.is_ok());
}

/// The flood spends the budget all the time; still the new key is found within half a minute, and the old one never waits.
#[tokio::test]
async fn a_rotation_in_the_middle_of_a_flood() {
    let issuer = TestIssuer::start().await;
    let (api, old) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&old).await.is_ok());
    let mut found_after = None;
    for second in 0..60 {
        pass(&issuer.clock(), 1);
        for number in 0..20 {
            assert_eq!(api.get(with_kid(&old, &format!("kid-{second}-{number}"))).await.status, 401);
        }
        let requests = issuer.requests(Endpoint::Keys);
        assert!(api.get(&old).await.is_ok());
        assert_eq!(issuer.requests(Endpoint::Keys), requests, "a known key asks for nothing");
        if second == 20 {
            issuer.rotate();
        }
        if second > 20 && found_after.is_none() && api.get(token(&issuer)).await.is_ok() {
            found_after = Some(second - 20);
        }
    }
    assert!(found_after.is_some_and(|seconds| seconds <= 30), "{found_after:?}");
    assert!(issuer.requests(Endpoint::Keys) <= 1 + 3 + 2, "the first fetch, the budget, and one more every 30 s");
}

/// One host, two issuers, one `kid`: a key belongs to the entry that it was fetched for.
#[tokio::test]
async fn no_kid_crosses_over_on_one_host() {
    let issuer = TestIssuer::start().await;
    let other = "https://other.example";
    let server = orgate::ResourceServer::builder(orgate::Issuer::new(issuer.url()).name("one"), API)
        .issuer(orgate::Issuer::new(other).name("two").jwks_uri(issuer.jwks_uri()))
        .clock(issuer.clock())
        .build()
        .unwrap();
    let api = Api::of(&server);
    let of_two = issuer.resource_token(API).issuer(other).mint();
    assert!(api.get(token(&issuer)).await.is_ok() && api.get(&of_two).await.is_ok());
    assert_eq!(issuer.requests(Endpoint::Keys), 2, "each has its own set");
    issuer.replace_key_keeping_kid();
    server.issuer("one").unwrap().refresh_keys().await.unwrap();
    let new = |url: &str| issuer.resource_token(API).issuer(url).mint();
    assert!(api.get(new(issuer.url())).await.is_ok());
    assert_eq!(api.get(new(other)).await.status, 401, "the second entry still has the key that it fetched");
    assert!(api.get(&of_two).await.is_ok());
}
