//! How long what is known serves.

use std::time::Duration;

use orgate::policy::resource;

use crate::support::{Act, World};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_new_snapshot_is_fetched_behind_the_one_that_serves() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    let (api, token) = (world.api(resource().scope("a").fresh_within(seconds(100))), world.token("u1", "a"));
    api.get(&token).await.is(200, "");
    world.pass(69.9);
    api.get(&token).await.is(200, "");
    assert_eq!(world.script.calls(), 1, "not before 70 % of the life time");

    world.script.holds("u1", &["a", "b"]);
    world.script.once(Act::Hold);
    world.pass(20.1);
    for _ in 0..5 {
        assert_eq!(api.get(&token).await.body, "lost [] gained []", "the request does not wait");
    }
    world.script.wait_for_calls(2).await;
    for _ in 0..5 {
        assert_eq!(api.get(&token).await.body, "lost [] gained []");
    }
    assert_eq!(world.script.calls(), 2, "one at a time");
    world.script.release();
    while api.get(&token).await.body != "lost [] gained [b]" {
        tokio::task::yield_now().await;
    }
    // Its age counts from when it began: 90 s.
    world.pass(69.9);
    api.get(&token).await.is(200, "");
    assert_eq!(world.script.calls(), 2);
}

#[tokio::test]
async fn past_its_life_time_it_does_not_serve() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    let (api, token) = (world.api(resource().scope("a").fresh_within(seconds(100))), world.token("u1", "a"));
    api.get(&token).await.is(200, "");
    world.script.act(Act::Fail(None));
    world.pass(95.0);
    api.get(&token).await.is(200, "");
    world.script.wait_for_calls(2).await;
    world.pass(5.0);
    api.get(&token).await.is(200, "");
    world.pass(0.1);
    api.get(&token).await.is(503, "retry");
    world.script.act(Act::Answer);
    world.script.says("u1", orgate::permissions::Permissions::none());
    world.pass(1.0);
    api.get(&token).await.is(401, "refresh");
}

#[tokio::test]
async fn the_refresh_of_many_is_spread() {
    let world = World::start().await;
    let api = world.api(resource().scope("a").fresh_within(seconds(100)));
    let tokens: Vec<String> = (0..40)
        .map(|number| {
            let subject = format!("user-{number}");
            world.script.holds(&subject, &["a"]);
            world.token(&subject, "a")
        })
        .collect();
    for token in &tokens {
        api.get(token).await.is(200, "");
    }
    let mut refreshed = Vec::new();
    for _ in 0..4 {
        world.pass(if refreshed.is_empty() { 75.0 } else { 5.0 });
        for token in &tokens {
            api.get(token).await.is(200, "");
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        refreshed.push(world.script.calls() - 40);
    }
    assert!(refreshed.windows(2).all(|two| two[0] < two[1]), "{refreshed:?}");
    assert_eq!(refreshed[3], 40, "all of them before it is over: {refreshed:?}");
}

#[tokio::test]
async fn routes_share_what_is_known() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    let routes = [
        ("/strict", resource().scope("a").fresh_within(seconds(10))),
        ("/lax", resource().scope("a").fresh_within(seconds(1000))),
        ("/live", resource().scope("a").live()),
    ];
    let (api, token) = (crate::support::Api::of(&world.server, &routes), world.token("u1", "a"));
    for (path, after, calls) in [
        ("/lax", 0.0, 1),
        ("/strict", 5.0, 1),
        ("/strict", 5.1, 2),
        ("/live", 0.0, 3),
        ("/strict", 6.0, 3),
        ("/lax", 100.0, 3),
        ("/strict", 0.0, 4),
    ] {
        world.pass(after);
        api.get_at(path, &token).await.is(200, "");
        assert_eq!(world.script.calls(), calls, "{path} after {after} s");
    }
}

#[tokio::test]
async fn a_slow_source_is_not_asked_for_ever() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    world.script.act(Act::Hold);
    let (api, token) = (world.api(resource().scope("a").fresh_within(seconds(1))), world.token("u1", "a"));
    let asking = tokio::spawn(async move { api.get(token).await });
    world.script.wait_for_calls(1).await;
    // Longer than the snapshot may serve anybody else.
    world.pass(1.5);
    world.script.release();
    assert_eq!(asking.await.unwrap().status, 200);
    assert_eq!(world.script.calls(), 1);
}

#[tokio::test]
async fn what_is_known_denies_only_tokens_that_are_older() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    let api = world.api(resource().scope("b").fresh_within(seconds(1000)));
    let clock = world.issuer.clock();
    let old = world.token("u1", "a");
    clock.advance(seconds(62));
    api.get(&old).await.is(403, "none");
    assert_eq!(world.script.calls(), 1);
    api.get(&old).await.is(403, "none");
    assert_eq!(world.script.calls(), 1, "what is known began after the token was issued, whatever the clocks");
    // Issued since, or perhaps since.
    clock.advance(seconds(1));
    world.script.holds("u1", &["b"]);
    let new = world.token("u1", "b");
    api.get(&new).await.is(200, "");
    assert_eq!(world.script.calls(), 2, "it is asked again before a new token is refused");
    api.get(&new).await.is(200, "");
    assert_eq!(world.script.calls(), 2);
    clock.advance(seconds(1));
    let never = world.token("u1", "c");
    for calls in 3..6 {
        api.get(&never).await.is(403, "reconsent");
        assert_eq!(world.script.calls(), calls, "one fetch for each request");
    }
}
