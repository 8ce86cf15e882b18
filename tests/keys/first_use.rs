//! From no keys to keys.

use std::time::Duration;

use futures_util::future::{FutureExt as _, join, join_all};
use orgate::testing::{Endpoint, Fault, TestIssuer};

use crate::log::Log;
use crate::support::{Answer, Api, FAILED, builder, pass, token, with_kid};

#[tokio::test]
async fn fetched_once_however_many_requests_wait() {
    let issuer = TestIssuer::start().await;
    let (server, token) = (builder(&issuer).build().unwrap(), token(&issuer));
    let api = Api::of(&server);
    assert_eq!(issuer.requests(Endpoint::All), 0, "nothing is fetched before it is used");
    issuer.fail_next(Endpoint::Keys, Fault::Hold);
    // All two hundred are polled, and wait, before the issuer gets its turn.
    let requests = join_all((0..200).map(|_| api.get(&token)));
    let (answers, ()) = join(requests, async {
        issuer.wait_for_requests(Endpoint::Keys, 1).await;
        issuer.release();
    })
    .await;
    assert!(answers.iter().all(Answer::is_ok), "{answers:?}");
    assert_eq!((issuer.requests(Endpoint::Keys), issuer.requests(Endpoint::Discovery)), (1, 1));
    assert!(api.get(&token).await.is_ok());
    assert_eq!(issuer.requests(Endpoint::All), 2);
}

#[tokio::test]
async fn unknown_kids_share_their_fetches() {
    let issuer = TestIssuer::start().await;
    let (api, token) = (Api::new(builder(&issuer)), token(&issuer));
    issuer.fail_next(Endpoint::Keys, Fault::Hold);
    let requests = join_all((0..200).map(|number| api.get(with_kid(&token, &format!("kid-{number}")))));
    let (answers, ()) = join(requests, async {
        issuer.wait_for_requests(Endpoint::Keys, 1).await;
        issuer.release();
    })
    .await;
    assert!(answers.iter().all(|answer| answer.is_401("refresh")), "{answers:?}");
    // The fetch that was in flight when most of them came proves nothing about them; the next one does.
    assert_eq!(issuer.requests(Endpoint::Keys), 2);
}

#[tokio::test]
async fn ready_fetches_what_the_first_request_then_needs() {
    let issuer = TestIssuer::start().await;
    let server = builder(&issuer).build().unwrap();
    server.ready().await.unwrap();
    assert_eq!(issuer.requests(Endpoint::Keys), 1);
    assert!(Api::of(&server).get(token(&issuer)).await.is_ok());
    server.ready().await.unwrap();
    assert_eq!(issuer.requests(Endpoint::Keys), 1);
}

#[tokio::test]
async fn ready_says_who_is_not() {
    let (good, bad) = (TestIssuer::start().await, TestIssuer::start().await);
    bad.take_down();
    let bad_entry = orgate::Issuer::new(bad.url()).name("bad");
    let server = builder(&good).issuer(bad_entry).build().unwrap();
    let not_ready = server.ready().await.unwrap_err();
    assert_eq!(not_ready.issuer_name(), Some("bad"));
    assert!((Duration::from_millis(800)..=Duration::from_secs(2)).contains(&not_ready.retry_after()), "{not_ready:?}");
    assert_eq!(good.requests(Endpoint::Keys), 1);
    bad.bring_up();
    pass(&good.clock(), 2);
    server.ready().await.unwrap();
}

#[tokio::test]
async fn a_dead_issuer_at_the_start() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    let (api, clock) = (Api::new(builder(&issuer)), issuer.clock());
    issuer.fail_always(Endpoint::Discovery, Fault::Status(500));
    for _ in 0..5 {
        let answer = api.get(token(&issuer)).await;
        assert!(answer.is_503(), "{answer:?}");
    }
    assert_eq!((issuer.requests(Endpoint::All), log.count(FAILED)), (1, 1), "no fetch inside the back-off");
    issuer.take_down();
    pass(&clock, 2);
    assert!(api.get(token(&issuer)).await.is_503());
    assert_eq!((issuer.requests(Endpoint::All), log.count(FAILED)), (1, 2));
    issuer.bring_up();
    issuer.recover();
    assert!(api.get(token(&issuer)).await.is_503(), "still inside the back-off");
    pass(&clock, 3);
    assert!(api.get(token(&issuer)).await.is_ok(), "by itself");
    assert!(!log.contains(&token(&issuer)[..20]), "no token in the log");
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_no_fetch() {
    let issuer = TestIssuer::start().await;
    let (api, token) = (Api::new(builder(&issuer)), token(&issuer));
    issuer.fail_next(Endpoint::Keys, Fault::Hold);
    assert!(api.get(&token).now_or_never().is_none());
    issuer.wait_for_requests(Endpoint::Keys, 1).await;
    issuer.release();
    // A request that was not woken would pass too, but only when its two seconds are over.
    let next = tokio::time::timeout(Duration::from_millis(1500), api.get(&token)).await;
    assert!(next.expect("woken by the fetch").is_ok());
    assert_eq!(issuer.requests(Endpoint::Keys), 1);
}

#[tokio::test]
async fn the_fetch_ends_with_the_last_handle() {
    let issuer = TestIssuer::start().await;
    let server = builder(&issuer).build().unwrap();
    let api = Api::of(&server);
    issuer.fail_always(Endpoint::Keys, Fault::Hold);
    assert!(api.get(token(&issuer)).now_or_never().is_none());
    issuer.wait_for_requests(Endpoint::Keys, 1).await;
    drop(server);
    tokio::task::yield_now().await;
    assert_eq!(issuer.in_flight(), 1, "the route still has a handle");
    drop(api);
    let gone = async {
        while issuer.in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    };
    // Well before the fetch would end by itself, after five seconds.
    tokio::time::timeout(Duration::from_secs(2), gone).await.expect("aborted");
}
