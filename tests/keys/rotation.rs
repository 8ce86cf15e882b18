//! Keys come and go at the issuer.

use futures_util::future::join;
use orgate::testing::{Endpoint, Fault, TestIssuer};

use crate::support::{Api, Log, REFRESHED, builder, pass, token, with_kid};

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
