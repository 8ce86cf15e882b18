//! How long an answer serves, and how often the issuer is asked.

use std::time::Duration;

use futures_util::future::{join, join_all};
use orgate::Issuer;
use orgate::testing::TestIssuer;
use serde_json::json;

use crate::support::{API, Act, Answer, Api, World, introspection};

const INACTIVE: &str = r#"{"active":false}"#;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_good_answer_serves_for_thirty_seconds() {
    let world = World::start().await;
    world.endpoint.says(&world.answer(json!({})));
    world.api.get("/api", "opaque").await.is(200, "");
    world.endpoint.act(Act::Says(200, INACTIVE.to_owned()));
    world.pass(29.9);
    world.api.get("/api/a", "opaque").await.is(200, "");
    assert_eq!(world.endpoint.count(), 1);
    world.pass(0.1);
    world.api.get("/api", "opaque").await.is(401, "refresh");
    assert_eq!(world.endpoint.count(), 2);
}

#[tokio::test]
async fn a_rejection_serves_for_five_seconds() {
    let world = World::start().await;
    for refusal in [
        INACTIVE.to_owned(),
        world.answer(json!({ "token_type": null })).to_string(),
        world.answer(json!({ "aud": null })).to_string(),
    ] {
        let count = world.endpoint.count();
        let token = format!("opaque{count}");
        world.endpoint.act(Act::Says(200, refusal.clone()));
        assert_eq!(world.api.get("/api", &token).await.status, 401);
        world.endpoint.says(&world.answer(json!({})));
        world.pass(4.9);
        assert_eq!(world.api.get("/api", &token).await.status, 401, "{refusal}");
        assert_eq!(world.endpoint.count(), count + 1);
        world.pass(0.1);
        world.api.get("/api", &token).await.is(200, "");
    }
}

#[tokio::test]
async fn both_times_are_settings() {
    let world = World::of(introspection().keep(seconds(300)).keep_refusals(seconds(60))).await;
    world.endpoint.says(&world.answer(json!({})));
    world.api.get("/api", "good").await.is(200, "");
    world.endpoint.act(Act::Says(200, INACTIVE.to_owned()));
    world.api.get("/api", "bad").await.is(401, "refresh");
    for (passed, status, count) in [(59.9, 401, 2), (0.1, 401, 3)] {
        world.pass(passed);
        assert_eq!((world.api.get("/api", "bad").await.status, world.endpoint.count()), (status, count));
    }
    world.pass(239.9);
    world.api.get("/api", "good").await.is(200, "");
    world.pass(0.1);
    world.api.get("/api", "good").await.is(401, "refresh");
}

#[tokio::test]
async fn zero_asks_every_time() {
    let world = World::of(introspection().keep(Duration::ZERO).keep_refusals(Duration::ZERO)).await;
    for (active, status) in [(true, 200), (false, 401), (true, 200), (false, 401)] {
        let body = world.answer(json!({ "active": active }));
        world.endpoint.says(&body);
        let count = world.endpoint.count();
        assert_eq!(world.api.get("/api", "opaque").await.status, status);
        assert_eq!(world.endpoint.count(), count + 1);
    }
}

#[tokio::test]
async fn never_beyond_exp() {
    let world = World::start().await;
    let now = world.now();
    world.endpoint.says(&world.answer(json!({ "exp": now + 10 })));
    world.api.get("/api", "opaque").await.is(200, "");
    world.endpoint.act(Act::Says(200, INACTIVE.to_owned()));
    world.clock().advance(Duration::from_millis(8900));
    world.api.get("/api", "opaque").await.is(200, "");
    assert_eq!(world.endpoint.count(), 1);
    world.clock().advance(Duration::from_millis(1100));
    world.api.get("/api", "opaque").await.is(401, "refresh");
    assert_eq!(world.endpoint.count(), 2, "the issuer is asked, whatever the leeway would allow");
    // Its clock is behind ours: what it calls active passes within the leeway, and is asked about each time.
    world.pass(5.0);
    world.endpoint.says(&world.answer(json!({ "exp": world.now() - 30 })));
    for count in 3..6 {
        world.api.get("/api", "opaque").await.is(200, "");
        assert_eq!(world.endpoint.count(), count);
    }
}

#[tokio::test]
async fn a_cached_answer_ages_by_the_wall_clock_too() {
    let world = World::start().await;
    world.endpoint.says(&world.answer(json!({ "exp": world.now() + 10 })));
    world.api.get("/api", "opaque").await.is(200, "");
    world.clock().advance_wall(seconds(70));
    world.api.get("/api", "opaque").await.is(401, "refresh");
    assert_eq!(world.endpoint.count(), 1);
}

#[tokio::test]
async fn a_failure_serves_for_a_second() {
    let world = World::start().await;
    for act in [Act::Fails, Act::Says(500, String::new()), Act::Panics] {
        world.endpoint.act(act);
        let count = world.endpoint.count();
        for _ in 0..3 {
            world.api.get("/api", "opaque").await.is(503, "retry");
        }
        world.pass(0.9);
        world.api.get("/api", "opaque").await.is(503, "retry");
        assert_eq!(world.endpoint.count(), count + 1);
        world.pass(0.1);
    }
    world.endpoint.says(&world.answer(json!({})));
    world.api.get("/api", "opaque").await.is(200, "");
}

#[tokio::test]
async fn a_failure_counts_from_its_end() {
    let world = World::start().await;
    world.endpoint.act(Act::Holds(String::new()));
    let api = world.api.clone();
    let pending = tokio::spawn(async move { api.get("/api", "opaque").await });
    world.endpoint.wait_for(1).await;
    world.pass(1.9);
    world.endpoint.act(Act::Fails);
    let outcome = pending.await.unwrap();
    outcome.is(503, "retry");
    world.pass(0.9);
    world.api.get("/api", "opaque").await.is(503, "retry");
    assert_eq!(world.endpoint.count(), 1);
    world.pass(0.1);
    world.api.get("/api", "opaque").await.is(503, "retry");
    assert_eq!(world.endpoint.count(), 2);
}

fn all_pass(answers: &[Answer]) -> bool {
    answers.iter().all(|answer| answer.status == 200)
}

#[tokio::test]
async fn asked_once_however_many_wait() {
    for keep in [30, 0] {
        let world = World::of(introspection().keep(seconds(keep))).await;
        world.endpoint.act(Act::Holds(world.answer(json!({})).to_string()));
        let (answers, ()) = join(join_all((0..100).map(|_| world.api.get("/api", "opaque"))), async {
            world.endpoint.wait_for(1).await;
            world.endpoint.release();
        })
        .await;
        assert!(all_pass(&answers));
        assert_eq!(world.endpoint.count(), 1);
    }
}

#[tokio::test]
async fn zero_uses_no_answer_to_a_question_from_before_the_request() {
    for (keep, status, count) in [(0, 401, 2), (30, 200, 1)] {
        let world = World::of(introspection().keep(seconds(keep)).keep_refusals(Duration::ZERO)).await;
        world.endpoint.act(Act::Holds(world.answer(json!({})).to_string()));
        let ask = || {
            let api = world.api.clone();
            tokio::spawn(async move { api.get("/api", "opaque").await })
        };
        let first = ask();
        world.endpoint.wait_for(1).await;
        let second = ask();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        // The token is revoked while the first question is open.
        world.endpoint.act(Act::Says(200, INACTIVE.to_owned()));
        world.endpoint.release();
        first.await.unwrap().is(200, "");
        assert_eq!((second.await.unwrap().status, world.endpoint.count()), (status, count));
    }
}

#[tokio::test]
async fn who_hangs_up_takes_the_answer_from_nobody() {
    let world = World::start().await;
    world.endpoint.act(Act::Holds(world.answer(json!({})).to_string()));
    let mut requests: Vec<_> = (0..10)
        .map(|_| {
            let api = world.api.clone();
            tokio::spawn(async move { api.get("/api", "opaque").await })
        })
        .collect();
    world.endpoint.wait_for(1).await;
    for gone in requests.drain(..9) {
        gone.abort();
        let _ = gone.await;
    }
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    world.endpoint.release();
    assert_eq!(requests.pop().unwrap().await.unwrap().status, 200);
    assert_eq!(world.endpoint.count(), 1);
}

#[tokio::test]
async fn a_client_that_panics_is_asked_once_for_all_who_wait() {
    let world = World::start().await;
    world.endpoint.act(Act::Panics);
    let answers = join_all((0..20).map(|_| world.api.get("/api", "opaque"))).await;
    assert!(answers.iter().all(|answer| answer.status == 503));
    assert_eq!(world.endpoint.count(), 1);
}

#[tokio::test]
async fn not_too_many_at_once() {
    let world = World::of(introspection().at_once(3)).await;
    world.endpoint.act(Act::Holds(world.answer(json!({})).to_string()));
    let tokens: Vec<String> = (0..10).map(|number| format!("opaque{number}")).collect();
    let requests = join_all(tokens.iter().map(|token| world.api.get("/api", token)));
    let (answers, ()) = join(requests, async {
        for count in [3, 6, 9, 10] {
            world.endpoint.wait_for(count).await;
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            assert_eq!(world.endpoint.count(), count);
            world.endpoint.release();
        }
    })
    .await;
    assert!(all_pass(&answers));
    assert_eq!(world.endpoint.most_at_once(), 3);
}

#[tokio::test]
async fn each_token_has_its_own_answer() {
    let world = World::start().await;
    for (token, subject) in [("opaque", "u1"), ("opaquE", "u2"), ("opaque=", "u3")] {
        world.endpoint.says(&world.answer(json!({ "sub": subject })));
        assert!(world.api.get("/", token).await.body.contains(subject));
    }
    for (token, subject) in [("opaque", "u1"), ("opaquE", "u2"), ("opaque=", "u3")] {
        assert!(world.api.get("/", token).await.body.contains(subject));
    }
    assert_eq!(world.endpoint.count(), 3);
}

#[tokio::test]
async fn an_issuer_that_goes_takes_its_answers_with_it() {
    let world = World::start().await;
    let entry = || {
        let issuer = Issuer::new(world.issuer.url()).name("main").jwks_json(world.issuer.jwks_json());
        issuer.introspection(introspection())
    };
    let api = Api::of(&world.server);
    world.endpoint.says(&world.answer(json!({})));
    api.get("/api", "opaque").await.is(200, "");
    world.server.issuer("main").unwrap().remove().unwrap();
    api.get("/api", "opaque").await.is(401, "resource_token");
    assert_eq!(world.endpoint.count(), 1, "nobody can be asked");
    world.server.add_issuer(entry()).unwrap();
    world.endpoint.act(Act::Says(200, INACTIVE.to_owned()));
    api.get("/api", "opaque").await.is(401, "refresh");

    // Replaced by another one while it is asked.
    world.endpoint.act(Act::Holds(world.answer(json!({})).to_string()));
    let asking = api.clone();
    let pending = tokio::spawn(async move { asking.get("/api", "another").await });
    world.endpoint.wait_for(3).await;
    let other = TestIssuer::start().await;
    world.server.issuer("main").unwrap().remove().unwrap();
    let entry = Issuer::new(other.url()).name("main").jwks_json(other.jwks_json()).resource(API);
    world.server.add_issuer(entry.introspection(introspection())).unwrap();
    world.endpoint.release();
    pending.await.unwrap().is(503, "retry");
    world.endpoint.says(&world.answer(json!({})));
    api.get("/api", "another").await.is(401, "authenticate");
}
