//! How much is asked.

use std::sync::Arc;
use std::time::Duration;

use orgate::permissions::Permissions;
use orgate::policy::resource as api;
use orgate::testing::{Endpoint, Fault};
use orgate::token::SubjectKind;
use tokio::task::JoinHandle;

use crate::budgets::{route, status};
use crate::world::{API, World, holds, organization, within};

const SECOND: Duration = Duration::from_secs(1);

/// Members `u0`, `u1`, … of acme, with a global role.
async fn members(count: usize, change: impl FnOnce(&World)) -> Arc<World> {
    let world = World::populated().await;
    for number in 0..count {
        let user = format!("u{number}");
        world.user(&user);
        world.member("acme", &user, &["member"]);
        world.tenant.give_role(&user, "deleter");
    }
    change(&world);
    Arc::new(world)
}

fn burst(world: &Arc<World>, count: usize) -> Vec<JoinHandle<Result<Permissions, String>>> {
    let asked = (0..count).map(|number| {
        let world = Arc::clone(world);
        tokio::spawn(async move {
            let answer = world.ask(SubjectKind::User, &format!("u{number}"), within("acme")).await;
            answer.map_err(|error| error.to_string())
        })
    });
    asked.collect()
}

/// How many of them got an answer.
async fn whole(answers: Vec<JoinHandle<Result<Permissions, String>>>) -> usize {
    let mut whole = 0;
    for answer in answers {
        match answer.await.unwrap() {
            Ok(held) => {
                assert_eq!(held, holds(&["read", "delete"]));
                whole += 1;
            }
            Err(error) => assert!(error.contains("the limit of calls"), "{error}"),
        }
    }
    whole
}

#[tokio::test]
async fn forty_in_ten_seconds() {
    let world = members(1, |_| {}).await;
    let ask = async || world.ask(SubjectKind::User, "u0", organization("acme")).await;
    let mut answered = 0;
    while answered < 50 && ask().await.is_ok() {
        answered += 1;
    }
    // One for the token, two for each.
    assert_eq!((answered, world.requests(Endpoint::All)), (19, 39));
    world.clock.advance(8 * SECOND);
    assert!(ask().await.unwrap_err().to_string().contains("the limit of calls"));
    assert_eq!(world.requests(Endpoint::All), 39);
    world.clock.advance(2 * SECOND);
    ask().await.unwrap();
}

#[tokio::test]
async fn room_that_is_near_is_waited_for() {
    let world = members(1, |_| {}).await;
    let ask = async || world.ask(SubjectKind::User, "u0", organization("acme")).await;
    for _ in 0..20 {
        let _ = ask().await;
    }
    let asked = world.requests(Endpoint::All);
    world.clock.advance(Duration::from_millis(9900));
    let turned = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(world.requests(Endpoint::All), asked);
        world.clock.advance(Duration::from_millis(100));
    };
    let (answer, ()) = tokio::join!(ask(), turned);
    answer.unwrap();
    // A clock that stands still is not waited for.
    for _ in 0..20 {
        let _ = ask().await;
    }
    world.clock.advance(Duration::from_millis(9900));
    let error = tokio::time::timeout(2 * SECOND, ask()).await.expect("in time").unwrap_err();
    assert!(error.to_string().contains("the limit of calls"));
}

#[tokio::test]
async fn a_burst_ends_in_whole_snapshots() {
    let world = members(100, |_| {}).await;
    for _ in 0..3 {
        world.tenant.issuer().reset_counts();
        let answered = whole(burst(&world, 100)).await;
        let asked = world.requests(Endpoint::All);
        assert!(asked <= 40, "{asked}");
        // Three calls each, and what they share.
        assert!(answered >= 8, "{answered} whole snapshots for {asked} calls");
        world.clock.advance(10 * SECOND);
    }
    assert!(world.tenant.issuer().most_in_flight() <= 16);
}

#[tokio::test]
async fn sixteen_at_a_time() {
    let world = members(30, |_| {}).await;
    world.of_user("u0", organization("acme")).await;
    world.clock.advance(10 * SECOND);
    let issuer = world.tenant.issuer();
    issuer.reset_counts();
    issuer.fail_always(Endpoint::Management, Fault::Hold);
    let asked: Vec<_> = (0..19)
        .map(|number| {
            tokio::spawn({
                let world = Arc::clone(&world);
                async move { world.ask(SubjectKind::User, &format!("u{number}"), organization("acme")).await }
            })
        })
        .collect();
    issuer.wait_for_requests(Endpoint::Management, 16).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(issuer.requests(Endpoint::Management), 16);
    issuer.recover();
    issuer.release();
    for answer in asked {
        answer.await.unwrap().unwrap();
    }
    assert_eq!((issuer.requests(Endpoint::Management), issuer.most_in_flight()), (38, 16));
}

#[tokio::test]
async fn a_429_is_obeyed() {
    let world = members(2, |_| {}).await;
    let ask =
        async |user: &str| world.ask(SubjectKind::User, user, organization("acme")).await.map_err(|e| e.to_string());
    ask("u0").await.unwrap();
    for (endpoint, seconds) in [(Endpoint::User, 7), (Endpoint::OrganizationUserScopes, 3600), (Endpoint::User, 0)] {
        let fault = Fault::retry_after(429, seconds * SECOND);
        world.tenant.issuer().fail_next(endpoint, fault);
        assert!(ask("u0").await.unwrap_err().contains("429"));
        let pause = seconds.clamp(1, 60);
        world.clock.advance((pause * SECOND).saturating_sub(Duration::from_millis(1)));
        let asked = world.requests(Endpoint::All);
        for user in ["u0", "u1"] {
            assert!(ask(user).await.unwrap_err().contains("429"));
        }
        assert_eq!(world.requests(Endpoint::All), asked, "no call within {pause} s");
        world.clock.advance(Duration::from_millis(1));
        ask("u1").await.unwrap();
        world.clock.advance(10 * SECOND);
    }
    // The tenant's own limit, and no number.
    world.tenant.limit(1, 5 * SECOND);
    assert!(ask("u0").await.unwrap_err().contains("429"));
    world.tenant.unlimit();
    world.clock.advance(5 * SECOND);
    ask("u0").await.unwrap();
    world.tenant.issuer().fail_next(Endpoint::User, Fault::Status(429));
    ask("u0").await.unwrap_err();
    world.clock.advance(9 * SECOND);
    ask("u0").await.unwrap_err();
    world.clock.advance(SECOND);
    ask("u0").await.unwrap();
}

#[tokio::test]
async fn a_429_for_the_token_is_obeyed_too() {
    let world = members(1, |_| {}).await;
    let ask = async || world.ask(SubjectKind::User, "u0", organization("acme")).await;
    world.tenant.issuer().fail_next(Endpoint::Token, Fault::retry_after(429, 20 * SECOND));
    ask().await.unwrap_err();
    world.clock.advance(19 * SECOND);
    ask().await.unwrap_err();
    assert_eq!(world.requests(Endpoint::All), 1);
    world.clock.advance(SECOND);
    ask().await.unwrap();
}

#[tokio::test]
async fn who_goes_away_gives_its_calls_back() {
    let world = members(1, |_| {}).await;
    world.of_user("u0", organization("acme")).await;
    world.tenant.issuer().fail_always(Endpoint::Management, Fault::Hang);
    for _ in 0..50 {
        let asked = world.ask(SubjectKind::User, "u0", within("acme"));
        assert!(tokio::time::timeout(Duration::from_millis(2), asked).await.is_err());
        world.clock.advance(SECOND);
    }
    world.tenant.issuer().recover();
    world.clock.advance(10 * SECOND);
    for _ in 0..6 {
        world.ask(SubjectKind::User, "u0", within("acme")).await.unwrap();
    }
}

/// A user who was demoted comes with an old token, on a route that lets it decide alone while the tenant does not answer.
async fn demoted(calls_in_flight: usize, each_takes: Duration) -> (u16, Option<u64>) {
    let world = World::configured(|builder| builder.calls_in_flight(calls_in_flight)).await.with_roles();
    world.user("alice");
    world.member("acme", "alice", &["member"]);
    world.tenant.give_role("alice", "deleter");
    let app = route(&world, api().scope("write").live().dangerous_token_only_on_error());
    let token = world.tenant.issuer().resource_token(API).subject("alice").scope("write").mint();
    // The source's own token is there.
    assert_eq!(status(&app, &token).await.0, 401);
    world.tenant.issuer().fail_always(Endpoint::Management, Fault::Delay(each_takes));
    status(&app, &token).await
}

#[tokio::test]
async fn tenant_that_is_slow_only_for_want_of_a_turn_does_not_let_the_token_decide() {
    // Six calls, three of them at once if they may: 1.35 s with sixteen at a time, 2.7 s one by one.
    let (alone, one_by_one) = tokio::join!(demoted(16, SECOND * 19 / 20), demoted(1, SECOND * 9 / 20));
    assert_eq!(alone, (200, None), "the tenant had all of the time");
    assert_eq!(one_by_one, (503, Some(1)));
}
