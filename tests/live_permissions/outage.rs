//! A source that does not answer.

use std::time::{Duration, Instant};

use futures_util::future::join;
use orgate::change::{About, Change};
use orgate::policy::{Policy, resource};

use crate::log::Log;
use crate::support::{Act, World};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn each_freshness() -> [Policy; 2] {
    [resource().scope("a").live(), resource().scope("a").fresh_within(seconds(30))]
}

#[tokio::test]
async fn an_error_is_503_and_counts_for_a_second() {
    for policy in each_freshness() {
        let world = World::start().await;
        world.script.holds("u1", &["a"]);
        let (what, api, token) = (policy.to_string(), world.api(policy), world.token("u1", "a"));
        for (act, retry_after) in [(Act::Fail(None), "1"), (Act::Fail(Some(Duration::from_millis(6001))), "7")] {
            world.script.act(act);
            let calls = world.script.calls();
            for _ in 0..3 {
                let answer = api.get(&token).await;
                answer.is(503, "retry");
                assert_eq!(answer.header("retry-after"), retry_after);
                assert!(!answer.body.contains("source"), "{}", answer.body);
            }
            world.pass(0.9);
            api.get(&token).await.is(503, "retry");
            assert_eq!(world.script.calls(), calls + 1, "{what}");
            world.pass(0.1);
        }
        world.script.act(Act::Answer);
        api.get(&token).await.is(200, "");
        assert_eq!(world.script.calls(), 3, "{what}");
    }
}

#[tokio::test]
async fn a_source_that_hangs_ends_after_two_seconds() {
    for policy in each_freshness() {
        let world = World::start().await;
        world.script.holds("u1", &["a"]);
        world.script.act(Act::Hang);
        let (api, token) = (world.api(policy), world.token("u1", "a"));
        let began = Instant::now();
        // Who comes in between waits no longer.
        let (first, second) = join(api.get(&token), async {
            world.script.wait_for_calls(1).await;
            api.get(&token).await
        })
        .await;
        first.is(503, "retry");
        second.is(503, "retry");
        assert!((1900..2900).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        assert_eq!(world.script.calls(), 1);
        world.script.act(Act::Answer);
        world.pass(1.0);
        api.get(&token).await.is(200, "");
    }
}

#[tokio::test]
async fn two_fetches_end_after_four_seconds() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    world.script.act(Act::Hang);
    world.script.once(Act::Delay(Duration::from_millis(1800)));
    let (api, token) = (world.api(resource().scope("a").live()), world.token("u1", "a"));
    let began = Instant::now();
    let (first, second) = join(api.get(&token), async {
        world.script.wait_for_calls(1).await;
        api.get(&token).await
    })
    .await;
    first.is(200, "");
    second.is(503, "retry");
    assert!((3700..4700).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(world.script.calls(), 2);
}

#[tokio::test]
async fn a_source_that_panics_has_failed() {
    for policy in each_freshness() {
        let world = World::start().await;
        world.script.holds("u1", &["a"]);
        world.script.once(Act::Panic);
        let (api, token) = (world.api(policy), world.token("u1", "a"));
        api.get(&token).await.is(503, "retry");
        api.get(&token).await.is(503, "retry");
        assert_eq!(world.script.calls(), 1);
        world.pass(1.0);
        api.get(&token).await.is(200, "");
    }
}

const STALE: &str = "stale permissions serve";
const ALONE: &str = "the token alone decides";

#[tokio::test]
async fn what_was_known_serves_where_the_route_says_so() {
    let (world, log) = (World::start().await, Log::of_everything());
    world.script.holds("u1", &["a", "b"]);
    let routes = [
        ("/a", resource().scope("a").fresh_within(seconds(30)).stale_if_error(seconds(300))),
        ("/c", resource().scope("c").fresh_within(seconds(30)).stale_if_error(seconds(300))),
        ("/live", resource().scope("a").live().stale_if_error(seconds(300))),
        ("/plain", resource().scope("a").fresh_within(seconds(30))),
    ];
    let (api, token) = (crate::support::Api::of(&world.server, &routes), world.token("u1", "a"));
    api.get_at("/a", &token).await.is(200, "");
    world.script.act(Act::Fail(None));
    world.pass(31.0);
    assert_eq!(api.get_at("/a", &token).await.body, "lost [] gained [b]", "the drift as it was known");
    api.get_at("/live", &token).await.is(200, "");
    assert_eq!(log.count(STALE), 2);
    api.get_at("/c", &token).await.is(503, "retry");
    api.get_at("/a", world.token("u1", "c")).await.is(503, "retry");
    api.get_at("/plain", &token).await.is(503, "retry");
    api.get_at("/a", world.token("u2", "a")).await.is(503, "retry");
    assert_eq!(log.count(STALE), 2, "it lets pass, it does not refuse");
    world.pass(269.0);
    api.get_at("/a", &token).await.is(200, "");
    world.pass(0.1);
    api.get_at("/a", &token).await.is(503, "retry");
    assert_eq!(log.count(ALONE), 0);
}

#[tokio::test]
async fn what_is_known_to_have_changed_does_not_serve_in_need() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    let (api, token) = (world.api(resource().scope("a").live().stale_if_error(seconds(300))), world.token("u1", "a"));
    api.get(&token).await.is(200, "");
    world.script.act(Act::Fail(None));
    api.get(&token).await.is(200, "");
    let at = std::time::SystemTime::UNIX_EPOCH + seconds(1_800_000_000);
    let main = world.server.issuer("main").unwrap();
    main.apply_change(&Change::edited(main.issuer(), About::subject("u1"), at)).unwrap();
    api.get(&token).await.is(503, "retry");
}

#[tokio::test]
async fn the_token_alone_where_the_route_says_so() {
    let (world, log) = (World::start().await, Log::of_everything());
    world.script.holds("u1", &["b"]);
    let api = world.api(resource().scope("a").live().dangerous_token_only_on_error());
    let token = world.token("u1", "a");
    api.get(&token).await.is(401, "refresh");
    world.script.act(Act::Fail(None));
    for times in 1..4 {
        let answer = api.get(&token).await;
        assert_eq!(answer.body, "lost [] gained []", "nothing is known of what else changed");
        assert_eq!(log.count(ALONE), times);
    }
    let lacking = api.get(world.token("u1", "b")).await;
    lacking.is(403, "request_scope");
    assert_eq!(lacking.problem()["missing_scopes"], serde_json::json!(["a"]));
    world.script.act(Act::Answer);
    world.pass(1.0);
    api.get(&token).await.is(401, "refresh");
    assert_eq!(log.count(STALE), 0);
}
