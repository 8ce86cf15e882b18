//! An issuer that fails after it has worked.

use std::time::Duration;

use futures_util::future::join;
use orgate::testing::{Endpoint, Fault, TestIssuer};

use crate::log::Log;
use crate::support::{Api, FAILED, REFRESHED, builder, pass, token, with_kid};

#[tokio::test]
async fn whatever_a_refresh_brings_the_old_set_stays() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    let elsewhere = TestIssuer::start().await;
    let (api, token) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&token).await.is_ok());
    let set: serde_json::Value = serde_json::from_str(&issuer.jwks_json()).unwrap();
    let twice = Fault::Body(format!(r#"{{"keys":{},"keys":[]}}"#, set["keys"]));
    let one_too_long = Fault::Body(padded(&issuer.jwks_json(), 256 * 1024 + 1));
    let faults = [
        (Endpoint::Keys, twice, "unique member names"),
        (Endpoint::Keys, one_too_long, "the response has more than 262144 bytes"),
        (Endpoint::Keys, Fault::Status(500), "status 500"),
        (Endpoint::Keys, Fault::Status(204), "status 204"),
        (Endpoint::Keys, Fault::Status(404), "status 404"),
        (Endpoint::Keys, Fault::Garbage, "not one JSON object"),
        (Endpoint::Keys, Fault::Empty, "not one JSON object"),
        (Endpoint::Keys, Fault::Huge, "the response has more than 262144 bytes"),
        (Endpoint::Keys, Fault::TooManyKeys(101), "101 keys"),
        (Endpoint::Keys, Fault::Redirect(elsewhere.jwks_uri()), "status 302"),
        (Endpoint::Keys, Fault::Reset, "jwks: "),
        (Endpoint::Discovery, Fault::Status(500), "status 500"),
        (Endpoint::Discovery, Fault::Garbage, "not one JSON object"),
        (Endpoint::Discovery, Fault::Empty, "not one JSON object"),
        (Endpoint::Discovery, Fault::Huge, "the response has more than 262144 bytes"),
        (Endpoint::Discovery, Fault::WrongIssuer, "its issuer is"),
        (Endpoint::Discovery, Fault::Redirect(elsewhere.url().to_owned()), "status 302"),
        (Endpoint::Discovery, Fault::Reset, "openid-configuration: "),
        (Endpoint::Discovery, Fault::Body(format!(r#"{{"issuer":"{}"}}"#, issuer.url())), "no jwks_uri"),
    ];
    for (number, (endpoint, fault, reason)) in faults.into_iter().enumerate() {
        issuer.fail_next(endpoint, fault.clone());
        pass(&issuer.clock(), 540);
        assert!(api.get(&token).await.is_ok(), "{fault:?}");
        log.wait_for(FAILED, number + 1).await;
        assert!(api.get(&token).await.is_ok(), "the old set stays: {fault:?}");
        assert_eq!(log.count(FAILED), number + 1, "one warning each");
        assert!(log.contains(reason), "{fault:?}, {reason:?}");
        pass(&issuer.clock(), 2);
        assert!(api.get(&token).await.is_ok());
        log.wait_for(REFRESHED, number + 2).await;
    }
    assert_eq!(elsewhere.requests(Endpoint::All), 0, "no redirect is followed");
    assert_eq!(log.count("WARN"), log.count(FAILED));
}

/// A document of exactly so many octets.
fn padded(json: &str, length: usize) -> String {
    format!("{json}{}", " ".repeat(length - json.len()))
}

#[tokio::test]
async fn a_document_may_have_256_kib() {
    let issuer = TestIssuer::start().await;
    issuer.fail_next(Endpoint::Keys, Fault::Body(padded(&issuer.jwks_json(), 256 * 1024)));
    assert!(Api::new(builder(&issuer)).get(token(&issuer)).await.is_ok());
}

#[tokio::test]
async fn a_fetch_ends_after_five_seconds() {
    let log = Log::start();
    let (hanging, dripping) = (TestIssuer::start().await, TestIssuer::start().await);
    let warm = async |issuer: &TestIssuer, fault: Fault| {
        let (api, token) = (Api::new(builder(issuer)), token(issuer));
        assert!(api.get(&token).await.is_ok());
        issuer.fail_always(Endpoint::Keys, fault);
        pass(&issuer.clock(), 540);
        assert!(api.get(&token).await.is_ok(), "a refresh is in the background");
        issuer.wait_for_requests(Endpoint::Keys, 2).await;
        (api, token)
    };
    let (one, two) = join(warm(&hanging, Fault::Hang), warm(&dripping, Fault::Drip)).await;
    log.wait_for(FAILED, 2).await;
    for (refreshed, issuer, (api, token)) in [(3, &hanging, one), (4, &dripping, two)] {
        assert!(api.get(&token).await.is_ok());
        issuer.recover();
        pass(&issuer.clock(), 2);
        assert!(api.get(&token).await.is_ok());
        log.wait_for(REFRESHED, refreshed).await;
    }
    assert_eq!(log.count(FAILED), 2);
}

#[tokio::test]
async fn a_slow_answer_is_an_answer() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    issuer.fail_next(Endpoint::Keys, Fault::Delay(Duration::from_millis(300)));
    issuer.fail_next(Endpoint::Discovery, Fault::Delay(Duration::from_millis(300)));
    assert!(Api::new(builder(&issuer)).get(token(&issuer)).await.is_ok());
    assert_eq!((log.count(REFRESHED), log.count(FAILED)), (1, 0));
}

#[tokio::test]
async fn known_keys_serve_to_the_stale_bound() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    let (api, good, clock) = (Api::new(builder(&issuer)), token(&issuer), issuer.clock());
    assert!(api.get(&good).await.is_ok());
    issuer.fail_always(Endpoint::All, Fault::Status(500));
    pass(&clock, 600);
    assert!(api.get(&good).await.is_ok());
    assert_eq!(log.count(FAILED), 1, "one fetch was tried first");
    assert!(api.get(with_kid(&good, "unknown")).await.is_503(), "stale keys say nothing about others");
    pass(&clock, 24 * 3600 - 1);
    assert!(api.get(&good).await.is_ok());
    pass(&clock, 1);
    assert!(api.get(&good).await.is_503());
    issuer.recover();
    pass(&clock, 40);
    assert!(api.get(&good).await.is_ok());
    assert!(api.get(with_kid(&good, "unknown")).await.is_401("refresh"));
}

#[tokio::test]
async fn the_stale_bound_is_a_setting() {
    for (serve_stale_keys_for, serves) in [(0, false), (1, true)] {
        let issuer = TestIssuer::start().await;
        let api = Api::new(builder(&issuer).serve_stale_keys_for(Duration::from_secs(serve_stale_keys_for)));
        assert!(api.get(token(&issuer)).await.is_ok());
        issuer.take_down();
        pass(&issuer.clock(), 600);
        let answer = api.get(token(&issuer)).await;
        assert!(if serves { answer.is_ok() } else { answer.is_503() }, "{serve_stale_keys_for} s: {answer:?}");
    }
}

#[tokio::test]
async fn past_the_life_time_a_request_waits_for_the_fetch() {
    let issuer = TestIssuer::start().await;
    let (api, old) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&old).await.is_ok());
    issuer.rotate_without_overlap();
    pass(&issuer.clock(), 600);
    assert!(api.get(&old).await.is_401("refresh"), "the set was not used unasked");
    assert_eq!(issuer.requests(Endpoint::Keys), 2);

    issuer.fail_next(Endpoint::Keys, Fault::Hang);
    pass(&issuer.clock(), 600);
    let (new, unknown) = (token(&issuer), with_kid(&old, "unknown"));
    let both = join(api.get(&new), api.get(&unknown));
    let (new, unknown) = tokio::time::timeout(Duration::from_millis(3500), both).await.expect("two seconds at most");
    assert!(new.is_ok(), "the fetch was tried: {new:?}");
    assert!(unknown.is_503(), "{unknown:?}");
}

#[tokio::test]
async fn one_issuer_down_changes_nothing_for_another() {
    let (one, two) = (TestIssuer::start().await, TestIssuer::start().await);
    let api = Api::new(builder(&one).issuer(two.url()));
    two.fail_always(Endpoint::All, Fault::Hold);
    let (down, up) = join(api.get(token(&two)), async {
        two.wait_for_requests(Endpoint::Discovery, 1).await;
        let up = api.get(token(&one)).await;
        assert_eq!(two.in_flight(), 1);
        two.fail_always(Endpoint::All, Fault::Status(500));
        two.release();
        up
    })
    .await;
    assert!(up.is_ok(), "{up:?}");
    assert!(down.is_503(), "{down:?}");
    assert!(api.get(token(&one)).await.is_ok());
    let foreign = two.resource_token(crate::support::API).issuer(one.url()).mint();
    assert!(api.get(foreign).await.is_401("refresh"), "keys belong to their issuer");
}
