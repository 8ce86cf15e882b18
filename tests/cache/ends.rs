//! What ends the life of a verified token: its key, its time, its issuer.

use std::time::Duration;

use orgate::Issuer;
use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::time::Clock as _;

use crate::support::{API, Api, builder};

const LEEWAY: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_rotation_that_drops_the_key() {
    let issuer = TestIssuer::start().await;
    let (api, token) = (Api::new(builder(&issuer)), issuer.resource_token(API).mint());
    assert!(api.get(&token).await.is_ok());
    issuer.rotate();
    api.server.issuer("issuer").unwrap().refresh_keys().await.unwrap();
    assert!(api.get(&token).await.is_ok(), "both keys are there");
    issuer.rotate_without_overlap();
    assert!(api.get(&token).await.is_ok(), "nobody has looked yet");
    api.server.issuer("issuer").unwrap().refresh_keys().await.unwrap();
    for _ in 0..3 {
        assert!(api.get(&token).await.is_401("retry"), "looked up again, or no longer");
    }
    assert!(api.get(issuer.resource_token(API).mint()).await.is_ok());
}

#[tokio::test]
async fn another_key_under_the_same_kid() {
    let issuer = TestIssuer::start().await;
    let (api, old) = (Api::new(builder(&issuer)), issuer.resource_token(API).mint());
    assert!(api.get(&old).await.is_ok());
    issuer.replace_key_keeping_kid();
    api.server.issuer("issuer").unwrap().refresh_keys().await.unwrap();
    let new = issuer.resource_token(API).mint();
    for _ in 0..3 {
        assert!(api.get(&old).await.is_401("authenticate"), "signed with a key that is gone");
        assert!(api.get(&new).await.is_ok());
    }
}

/// The same numbers under the same `kid` are the same key, however often the set is read.
#[tokio::test]
async fn a_key_that_stays() {
    let issuer = TestIssuer::start().await;
    let (api, token) = (Api::new(builder(&issuer)), issuer.resource_token(API).mint());
    for _ in 0..5 {
        assert!(api.get(&token).await.is_ok());
        api.server.issuer("issuer").unwrap().refresh_keys().await.unwrap();
    }
}

/// Past their lifetime keys serve only after a fetch was tried, and not for ever: nor do tokens that they verified.
#[tokio::test]
async fn keys_that_may_not_be_used_any_more() {
    let issuer = TestIssuer::start().await;
    let (api, clock) = (Api::new(builder(&issuer)), issuer.clock());
    let token = issuer.resource_token(API).expires_in(Duration::from_secs(7 * 24 * 3600)).mint();
    assert!(api.get(&token).await.is_ok());
    let fetched = issuer.requests(Endpoint::Keys);
    issuer.fail_always(Endpoint::Keys, Fault::Status(503));
    clock.advance_monotonic(Duration::from_secs(700));
    assert!(api.get(&token).await.is_ok(), "stale");
    assert_eq!(issuer.requests(Endpoint::Keys), fetched + 1, "after one fetch that failed");
    clock.advance_monotonic(Duration::from_secs(25 * 3600));
    assert!(api.get(&token).await.is_503(), "too old to say anything");
    issuer.recover();
    clock.advance_monotonic(Duration::from_secs(60));
    assert!(api.get(&token).await.is_ok());
}

#[tokio::test]
async fn its_time_to_the_second() {
    let issuer = TestIssuer::start().await;
    let (api, clock) = (Api::new(builder(&issuer)), issuer.clock());
    // On a whole second, as `exp` is.
    clock.set_wall(Duration::from_secs(clock.now().unix.as_secs()));
    let life = Duration::from_secs(100);
    let token = issuer.resource_token(API).expires_in(life).mint();
    assert!(api.get(&token).await.is_ok());
    let end = clock.now().unix + life + LEEWAY;
    clock.set_wall(end - Duration::from_nanos(1000));
    assert!(api.get(&token).await.is_ok());
    clock.set_wall(end);
    assert!(api.get(&token).await.is_401("refresh"));
    // A clock that was set back: the token is valid again, by whatever the clock says.
    clock.set_wall(end - Duration::from_secs(1));
    assert!(api.get(&token).await.is_ok());
    assert!(api.get(&token).await.is_ok());
}

#[tokio::test]
async fn a_clock_that_is_turned_back() {
    let issuer = TestIssuer::start().await;
    let (api, clock) = (Api::new(builder(&issuer)), issuer.clock());
    let now = Duration::from_secs(clock.now().unix.as_secs());
    clock.set_wall(now);
    let issued = issuer.resource_token(API).mint();
    let begins = issuer.resource_token(API).issued_at(now - 10 * LEEWAY).not_before(now).mint();
    for token in [&issued, &begins] {
        clock.set_wall(now);
        assert!(api.get(token).await.is_ok());
        clock.set_wall(now - LEEWAY);
        assert!(api.get(token).await.is_ok(), "within the leeway");
        clock.set_wall(now - LEEWAY - Duration::from_secs(1));
        assert!(api.get(token).await.is_401("authenticate"), "not yet");
        clock.set_wall(now);
        assert!(api.get(token).await.is_ok());
    }
}

/// When the keys have changed since, entry and key are looked at again; its time is looked at as well.
#[tokio::test]
async fn its_time_after_the_keys_were_fetched_again() {
    let issuer = TestIssuer::start().await;
    let (api, clock) = (Api::new(builder(&issuer)), issuer.clock());
    let now = Duration::from_secs(clock.now().unix.as_secs());
    clock.set_wall(now);
    let life = Duration::from_secs(100);
    let token = issuer.resource_token(API).not_before(now).expires_in(life).mint();
    for (wall, remediation) in
        [(now - LEEWAY - Duration::from_secs(1), "authenticate"), (now + life + LEEWAY, "refresh")]
    {
        clock.set_wall(now);
        assert!(api.get(&token).await.is_ok());
        api.server.issuer("issuer").unwrap().refresh_keys().await.unwrap();
        clock.set_wall(wall);
        assert!(api.get(&token).await.is_401(remediation));
    }
}

#[tokio::test]
async fn an_issuer_that_goes_and_comes_back() {
    let issuer = TestIssuer::start().await;
    let (api, token) = (Api::new(builder(&issuer)), issuer.resource_token(API).mint());
    assert!(api.get(&token).await.is_ok());
    api.server.issuer("issuer").unwrap().remove().unwrap();
    assert!(api.get(&token).await.is_401("authenticate"));
    // Under the same name, with the same keys, for another audience: by its rules the token is not valid.
    let elsewhere = Issuer::new(issuer.url()).name("issuer").resource("https://elsewhere.example");
    api.server.add_issuer(elsewhere).unwrap();
    assert!(api.get(&token).await.is_401("authenticate"));
    api.server.issuer("issuer").unwrap().remove().unwrap();
    api.server.add_issuer(Issuer::new(issuer.url()).name("issuer")).unwrap();
    assert!(api.get(&token).await.is_ok());
}

/// The same name and `iss`, other keys.
#[tokio::test]
async fn an_issuer_that_comes_back_with_other_keys() {
    let issuer = TestIssuer::start().await;
    let (api, token) = (Api::new(builder(&issuer)), issuer.resource_token(API).mint());
    assert!(api.get(&token).await.is_ok());
    let before = issuer.jwks_json();
    issuer.replace_key_keeping_kid();
    for (keys, is_good) in [(issuer.jwks_json(), false), (before, true)] {
        api.server.issuer("issuer").unwrap().remove().unwrap();
        api.server.add_issuer(Issuer::new(issuer.url()).name("issuer").jwks_json(keys)).unwrap();
        assert_eq!(api.get(&token).await.is_ok(), is_good);
    }
}
