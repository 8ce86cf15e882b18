//! The source's own access token.

use std::sync::Arc;
use std::time::Duration;

use orgate::logto::LogtoManagement;
use orgate::testing::{Endpoint, Fault};
use orgate::token::SubjectKind;

use crate::log::Log;
use crate::world::{World, holds, organization};

const SECOND: Duration = Duration::from_secs(1);

async fn alice() -> World {
    let world = World::populated().await;
    world.user("alice");
    world.member("acme", "alice", &["member"]);
    world
}

async fn ask(world: &World) -> Result<(), String> {
    let answer = world.ask(SubjectKind::User, "alice", organization("acme")).await;
    answer.map(|held| assert_eq!(held, holds(&["list"]))).map_err(|error| error.to_string())
}

#[tokio::test]
async fn asked_for_once_by_all_who_wait() {
    let world = Arc::new(alice().await);
    assert_eq!(world.requests(Endpoint::All), 0, "nothing is asked before it is needed");
    let asked: Vec<_> = (0..10)
        .map(|_| {
            tokio::spawn({
                let world = Arc::clone(&world);
                async move { ask(&world).await }
            })
        })
        .collect();
    for answer in asked {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(world.requests(Endpoint::Token), 1);
    assert_eq!(world.requests(Endpoint::Management), 20);
}

#[tokio::test]
async fn renewed_before_it_ends() {
    let world = alice().await;
    ask(&world).await.unwrap();
    world.clock.advance(2879 * SECOND);
    ask(&world).await.unwrap();
    assert_eq!(world.requests(Endpoint::Token), 1);
    world.clock.advance(SECOND);
    ask(&world).await.unwrap();
    // In the background.
    world.tenant.issuer().wait_for_requests(Endpoint::Token, 2).await;
    while ask(&world).await.is_ok() && world.tenant.issuer().in_flight() > 0 {}

    // While the token endpoint is down the old one serves to its end.
    let log = Log::start();
    world.tenant.issuer().fail_always(Endpoint::Token, Fault::Status(500));
    world.clock.advance(2880 * SECOND);
    ask(&world).await.unwrap();
    log.wait_for("was not renewed", 1).await;
    ask(&world).await.unwrap();
    assert_eq!(world.requests(Endpoint::Token), 3, "it is not asked again at once");
    world.clock.advance(720 * SECOND);
    assert!(ask(&world).await.unwrap_err().contains("POST /oidc/token: status 500"));
    assert_eq!(world.requests(Endpoint::Token), 4);
    world.tenant.issuer().recover();
    world.clock.advance(2 * SECOND);
    ask(&world).await.unwrap();
}

#[tokio::test]
async fn renewed_once_when_the_api_rejects_it() {
    let world = alice().await;
    ask(&world).await.unwrap();
    world.tenant.issuer().rotate_without_overlap();
    ask(&world).await.unwrap();
    assert_eq!(world.requests(Endpoint::Token), 2);

    world.tenant.issuer().reset_counts();
    world.tenant.issuer().fail_always(Endpoint::Management, Fault::Status(401));
    assert!(ask(&world).await.unwrap_err().contains("status 401"));
    let asked = world.requests(Endpoint::All);
    assert!(world.requests(Endpoint::Token) <= 2 && asked <= 6, "{asked}");
    // It does not go on like that.
    for _ in 0..5 {
        ask(&world).await.unwrap_err();
    }
    assert_eq!(world.requests(Endpoint::All), asked);
    world.tenant.issuer().recover();
    world.clock.advance(4 * SECOND);
    ask(&world).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_is_said_without_the_secret() {
    let world = alice().await;
    let (id, secret) = world.tenant.management_client();
    let builder =
        |secret: &str| LogtoManagement::builder(world.tenant.origin(), &id, secret).clock(world.clock.clone());
    let wrong_secret = format!("not-{secret}");
    let web = world.tenant.add_application("web");
    let bare = world.tenant.add_machine("bare");
    let of = |id: &str, secret: &str| {
        LogtoManagement::builder(world.tenant.origin(), id, secret).clock(world.clock.clone()).build().unwrap()
    };
    for (source, why) in [
        (builder(&wrong_secret).build().unwrap(), "status 401 invalid_client for the application \"management\""),
        (of("web", &web), "unauthorized_client"),
        (of("bare", &bare), "the scope all was not granted"),
        (
            builder(&secret).management_resource("https://unknown.logto.app/api").build().unwrap(),
            "invalid_target for the application \"management\": check management_resource",
        ),
    ] {
        world.tenant.issuer().reset_counts();
        let world = World { source, tenant: alice().await.tenant, clock: world.clock.clone() };
        let error = ask(&world).await.unwrap_err();
        assert!(error.contains(why), "{error}");
        let printed = format!("{error} {:?}", world.source);
        assert!(![&secret, &wrong_secret, &web, &bare].iter().any(|secret| printed.contains(&***secret)), "{printed}");
    }
    // Asked again after a while, and not before.
    let world = World { source: of("bare", &bare), ..world };
    world.tenant.issuer().reset_counts();
    for _ in 0..3 {
        ask(&world).await.unwrap_err();
    }
    assert_eq!(world.requests(Endpoint::All), 1);
    world.clock.advance(SECOND);
    for _ in 0..3 {
        ask(&world).await.unwrap_err();
    }
    assert_eq!(world.requests(Endpoint::All), 2);
    world.tenant.give_role("bare", "Logto Management API access");
    world.clock.advance(2 * SECOND);
    ask(&world).await.unwrap();
}

#[tokio::test]
async fn token_is_still_asked_for_when_the_one_who_asked_gives_up() {
    let world = alice().await;
    world.tenant.issuer().fail_next(Endpoint::Token, Fault::Hold);
    assert!(tokio::time::timeout(Duration::from_millis(100), ask(&world)).await.is_err());
    world.tenant.issuer().release();
    ask(&world).await.unwrap();
    assert_eq!(world.requests(Endpoint::Token), 1);
}
