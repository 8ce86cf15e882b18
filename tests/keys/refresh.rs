//! A set that is there is kept fresh.

use orgate::testing::{Endpoint, Fault, TestIssuer};

use crate::log::Log;
use crate::support::{Api, REFRESHED, builder, pass, token};

#[tokio::test]
async fn ahead_of_its_end_and_in_the_background() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    let (api, token) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&token).await.is_ok());
    pass(&issuer.clock(), 430);
    assert!(api.get(&token).await.is_ok());
    assert_eq!(issuer.requests(Endpoint::Keys), 1);
    issuer.fail_next(Endpoint::Keys, Fault::Hold);
    pass(&issuer.clock(), 100);
    for _ in 0..3 {
        assert!(api.get(&token).await.is_ok(), "nobody waits");
    }
    issuer.wait_for_requests(Endpoint::Keys, 2).await;
    issuer.release();
    log.wait_for(REFRESHED, 2).await;
    assert_eq!(issuer.requests(Endpoint::Keys), 2);
}

#[tokio::test]
async fn not_modified_renews_the_life_time() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    let (api, token) = (Api::new(builder(&issuer)), token(&issuer));
    assert!(api.get(&token).await.is_ok());
    assert_eq!(issuer.not_modified(), 0);
    for renewals in 1..=3 {
        pass(&issuer.clock(), 540);
        assert!(api.get(&token).await.is_ok());
        log.wait_for(REFRESHED, 1 + renewals).await;
        assert_eq!((issuer.requests(Endpoint::Keys), issuer.not_modified()), (1 + renewals, renewals));
    }
    pass(&issuer.clock(), 400);
    assert!(api.get(&token).await.is_ok());
    assert_eq!(issuer.requests(Endpoint::Keys), 4, "fresh, 400 s after the last");
    issuer.rotate();
    pass(&issuer.clock(), 140);
    assert!(api.get(&token).await.is_ok());
    log.wait_for(REFRESHED, 5).await;
    assert_eq!(issuer.not_modified(), 3, "a changed set has another tag");
    assert!(api.get(self::token(&issuer)).await.is_ok());
    assert_eq!(issuer.requests(Endpoint::Keys), 5);
}

#[tokio::test]
async fn max_age_sets_the_life_time_within_its_bounds() {
    for (cache_control, still_fresh, due) in [
        ("max-age=3600", 2500, 3300),
        ("max-age=60", 40, 55),
        ("max-age=59", 430, 540),
        ("max-age=86401", 430, 540),
        ("no-cache, max-age=3600", 430, 540),
        ("", 430, 540),
    ] {
        let (issuer, log) = (TestIssuer::start().await, Log::start());
        issuer.cache_control(cache_control);
        let (api, token) = (Api::new(builder(&issuer)), token(&issuer));
        assert!(api.get(&token).await.is_ok());
        pass(&issuer.clock(), still_fresh);
        assert!(api.get(&token).await.is_ok());
        tokio::task::yield_now().await;
        assert_eq!(issuer.requests(Endpoint::Discovery), 1, "{cache_control}");
        pass(&issuer.clock(), due - still_fresh);
        assert!(api.get(&token).await.is_ok());
        log.wait_for(REFRESHED, 2).await;
    }
}
