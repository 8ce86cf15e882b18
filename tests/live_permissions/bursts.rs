//! Many at once, and many one after the other.

use std::time::Duration;

use futures_util::future::{join, join_all};
use orgate::policy::resource;

use crate::support::{Act, Answer, World};

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

fn all_pass(answers: &[Answer]) -> bool {
    answers.iter().all(|answer| answer.status == 200)
}

#[tokio::test]
async fn a_burst_on_a_cold_key_is_one_fetch_when_fresh() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    world.script.act(Act::Hold);
    let (api, token) = (world.api(resource().scope("a").fresh_within(HALF_A_MINUTE)), world.token("u1", "a"));
    let (first, (rest, ())) = join(api.get(&token), async {
        world.script.wait_for_calls(1).await;
        join(join_all((0..99).map(|_| api.get(&token))), async {
            tokio::task::yield_now().await;
            world.script.release();
        })
        .await
    })
    .await;
    assert!(first.status == 200 && all_pass(&rest));
    assert_eq!(world.script.calls(), 1);
    assert_eq!(api.get(&token).await.status, 200);
    assert_eq!(world.script.calls(), 1);
}

#[tokio::test]
async fn a_burst_on_a_cold_key_is_two_fetches_when_live() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    world.script.act(Act::Hold);
    let (api, token) = (world.api(resource().scope("a").live()), world.token("u1", "a"));
    let (first, (rest, ())) = join(api.get(&token), async {
        world.script.wait_for_calls(1).await;
        // These come while the first fetch is under way: the next one is theirs, and theirs together.
        join(join_all((0..99).map(|_| api.get(&token))), async {
            tokio::task::yield_now().await;
            world.script.release();
            world.script.wait_for_calls(2).await;
            world.script.release();
        })
        .await
    })
    .await;
    assert!(first.status == 200 && all_pass(&rest));
    assert_eq!(world.script.calls(), 2);
    world.script.act(Act::Answer);
    // And all that come together share one.
    assert!(all_pass(&join_all((0..100).map(|_| api.get(&token))).await));
    assert_eq!(world.script.calls(), 3);
}

#[tokio::test]
async fn live_is_never_what_was_known_before() {
    let world = World::start().await;
    let (api, token) = (world.api(resource().scope("a").live()), world.token("u1", "a"));
    for (held, status) in [(&["a"][..], 200), (&[], 401), (&["a", "b"], 200), (&["b"], 401)] {
        world.script.holds("u1", held);
        assert_eq!(api.get(&token).await.status, status, "{held:?}");
    }
    assert_eq!(world.script.calls(), 4);
}

#[tokio::test]
async fn subjects_organizations_and_models_are_kept_apart() {
    let world = World::start().await;
    let fresh = HALF_A_MINUTE;
    let api = crate::support::Api::of(
        &world.server,
        &[
            ("/api", resource().fresh_within(fresh)),
            ("/own/{org}", orgate::policy::organization(orgate::policy::path("org")).fresh_within(fresh)),
            ("/api/{org}", resource().in_organization(orgate::policy::path("org")).fresh_within(fresh)),
        ],
    );
    for subject in ["u1", "u2", "m1"] {
        world.script.holds(subject, &[]);
    }
    let issuer = &world.issuer;
    let by = |subject: &str| [issuer.resource_token(crate::support::API).subject(subject)];
    let mut asked = Vec::new();
    for subject in ["u1", "u2"] {
        asked.push(("/api".to_owned(), by(subject)[0].mint()));
        for org in ["acme", "globex"] {
            asked.push((format!("/own/{org}"), issuer.organization_token(org).subject(subject).mint()));
            let token = issuer.organization_resource_token(crate::support::API, org).subject(subject).mint();
            asked.push((format!("/api/{org}"), token));
        }
    }
    asked.push(("/api".to_owned(), issuer.resource_token(crate::support::API).machine("m1").mint()));
    for _ in 0..2 {
        for (path, token) in &asked {
            api.get_at(path, token).await.is(200, "");
        }
    }
    let queries = world.script.asked();
    assert_eq!(queries.len(), 11, "each once");
    let distinct: std::collections::HashSet<_> = queries.iter().collect();
    assert_eq!(distinct.len(), 11);
    assert!(queries.iter().all(|query| query.issuer_name() == "main"));
}

#[tokio::test]
async fn more_subjects_than_are_kept() {
    let world = World::configured(|builder| builder.live_permissions(50)).await;
    let api = world.api(resource().scope("a").fresh_within(HALF_A_MINUTE));
    let ask = async |number: usize| {
        let subject = format!("u{number}");
        world.script.holds(&subject, &["a"]);
        api.get(world.token(&subject, "a")).await.is(200, "");
    };
    for number in 0..500 {
        ask(number).await;
    }
    assert_eq!(world.script.calls(), 500);
    for number in 490..500 {
        ask(number).await;
    }
    assert_eq!(world.script.calls(), 500, "the latest are known");
    for number in 0..10 {
        ask(number).await;
    }
    assert_eq!(world.script.calls(), 510, "the first are not any more");
}

#[tokio::test]
async fn at_most_sixteen_are_asked_about_at_once() {
    let world = World::start().await;
    world.script.act(Act::Hold);
    let api = world.api(resource().scope("a").fresh_within(HALF_A_MINUTE));
    let tokens: Vec<String> = (0..20)
        .map(|number| {
            world.script.holds(&format!("u{number}"), &["a"]);
            world.token(&format!("u{number}"), "a")
        })
        .collect();
    let (answers, ()) = join(join_all(tokens.iter().map(|token| api.get(token))), async {
        world.script.wait_for_calls(16).await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.script.calls(), 16);
        world.script.release();
        world.script.wait_for_calls(20).await;
        world.script.release();
    })
    .await;
    assert!(all_pass(&answers));
}

#[tokio::test]
async fn who_hangs_up_takes_the_answer_from_nobody() {
    for is_live in [false, true] {
        let world = World::start().await;
        world.script.holds("u1", &["a"]);
        world.script.once(Act::Hold);
        let policy = resource().scope("a");
        let api = world.api(if is_live { policy.live() } else { policy.fresh_within(HALF_A_MINUTE) });
        let token = world.token("u1", "a");
        let (first, second) = (api.clone(), api.clone());
        let (one, two) = (token.clone(), token.clone());
        // Both come before the fetch begins.
        let gone = tokio::spawn(async move { first.get(one).await });
        let stays = tokio::spawn(async move { second.get(two).await });
        world.script.wait_for_calls(1).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        world.script.release();
        assert_eq!(stays.await.unwrap().status, 200);
        assert_eq!(world.script.calls(), 1, "live: {is_live}");
    }
}

#[tokio::test]
async fn all_hang_up_and_what_was_fetched_is_kept() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    world.script.once(Act::Hold);
    let (api, token) = (world.api(resource().scope("a").fresh_within(HALF_A_MINUTE)), world.token("u1", "a"));
    let (first, one) = (api.clone(), token.clone());
    let gone = tokio::spawn(async move { first.get(one).await });
    world.script.wait_for_calls(1).await;
    gone.abort();
    world.script.release();
    assert_eq!(api.get(&token).await.status, 200);
    assert_eq!(world.script.calls(), 1);
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let World { issuer, script, server } = World::start().await;
    script.holds("u1", &["a"]);
    script.once(Act::Hold);
    let api = crate::support::Api::of(&server, &[("/", resource().scope("a").live())]);
    let token = issuer.resource_token(crate::support::API).subject("u1").scope("a").mint();
    let pending = tokio::spawn(async move { api.get(token).await });
    script.wait_for_calls(1).await;
    pending.abort();
    let _ = pending.await;
    drop(server);
    script.release();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(script.holders(), 0, "nothing goes on asking");
}
