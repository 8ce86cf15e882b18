//! Many requests at once, on many threads, and few signature checks.

use std::time::Duration;

use orgate::testing::TestIssuer;

use crate::support::{API, Api, builder};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_forgeries_beside_known_and_new_tokens() {
    let issuer = TestIssuer::start().await;
    let api =
        Api::new(builder(&issuer).max_concurrent_verifications(1).verification_queue(8, Duration::from_millis(5)));
    let known = issuer.resource_token(API).mint();
    assert!(api.get(&known).await.is_ok());
    let mut busy = 0;
    for _ in 0..10 {
        let requests = (0..60).map(|number| {
            let (api, token) = (api.clone(), issuer.resource_token(API));
            let token = match number % 3 {
                0 => known.clone(),
                1 => token.mint(),
                _ => token.forged().mint(),
            };
            (number % 3, tokio::spawn(async move { api.get(token).await }))
        });
        for (kind, answer) in requests.collect::<Vec<_>>() {
            let answer = answer.await.unwrap();
            match kind {
                0 => assert!(answer.is_ok(), "known: {answer:?}"),
                1 => assert!(answer.is_ok() || answer.is_503(), "new: {answer:?}"),
                _ => assert!(answer.is_401("authenticate") || answer.is_503(), "forged: {answer:?}"),
            }
            busy += u32::from(answer.is_503());
        }
        // Nothing is left behind: whoever comes alone is served.
        assert!(api.get(issuer.resource_token(API).mint()).await.is_ok());
    }
    println!("{busy} of 600 were told to come again");
}

/// The same new token in many requests at once: checked by whom it may be, and right for everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_new_token_many_times() {
    let issuer = TestIssuer::start().await;
    let api =
        Api::new(builder(&issuer).max_concurrent_verifications(2).verification_queue(64, Duration::from_secs(10)));
    for _ in 0..10 {
        let token = issuer.resource_token(API).mint();
        let requests = (0..50).map(|_| {
            let (api, token) = (api.clone(), token.clone());
            tokio::spawn(async move { api.get(token).await })
        });
        for answer in requests.collect::<Vec<_>>() {
            let answer = answer.await.unwrap();
            assert!(answer.is_ok(), "{answer:?}");
        }
    }
}
