//! The state as an answer to a question, and what comes after a connection was lost.

use std::time::Duration;

use orgate::change::About;
use serde_json::{Value, json};

use crate::support::World;
use crate::world::Api;

const PATH: &str = "/orgs/acme/permissions";
const EVENTS: &str = "/orgs/acme/permissions/events";

#[tokio::test]
async fn both_forms_say_the_same_under_the_same_name() {
    let world = World::start().await;
    world.script.holds("u1", &["read", "export"]);
    let token = world.organization_token("u1", "read write");
    let api = Api::start(&world);
    let answer = api.get(PATH, &token).await;
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.header("cache-control")),
        (200, "application/json", "no-store")
    );
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    let expected = json!({
        "status": "known", "token": ["read", "write"], "held": ["read", "export"], "lost": ["write"], "gained": ["export"],
        "remediation": "refresh", "expires_at": world.seconds() + 3600,
    });
    assert_eq!(said, expected);
    let event = api.open(EVENTS, &token).await.next().await;
    assert_eq!((event.data, format!("\"{}\"", event.id)), (said, answer.header("etag").to_owned()));
}

#[tokio::test]
async fn state_that_the_client_has_is_304() {
    let world = World::start().await;
    world.script.holds("u1", &["read"]);
    let token = world.organization_token("u1", "read");
    let api = Api::start(&world);
    let tag = api.get(PATH, &token).await.header("etag").to_owned();
    for tags in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
        let answer = api.send("GET", PATH, &token, &[("if-none-match", &tags)]).await;
        assert_eq!((answer.status, &*answer.body, answer.header("etag")), (304, "", &*tag), "{tags}");
    }
    assert_eq!(api.send("GET", PATH, &token, &[("if-none-match", "\"other\"")]).await.status, 200);
    let head = api.send("HEAD", PATH, &token, &[]).await;
    assert_eq!((head.status, &*head.body, head.header("etag")), (200, "", &*tag));
    world.script.holds("u1", &[]);
    world.edited(About::subject("u1"));
    let answer = api.send("GET", PATH, &token, &[("if-none-match", &tag)]).await;
    assert_eq!(answer.status, 200);
    assert_ne!(answer.header("etag"), tag);
}

#[tokio::test]
async fn another_token_of_the_same_subject_has_another_tag() {
    let world = World::start().await;
    world.script.holds("u1", &["read"]);
    let api = Api::start(&world);
    let tag = api.get(PATH, &world.organization_token("u1", "read")).await.header("etag").to_owned();
    let other = world.issuer.organization_token("acme").subject("u1").scope("read").client("other").mint();
    assert_eq!(api.send("GET", PATH, &other, &[("if-none-match", &tag)]).await.status, 200);
}

#[tokio::test]
async fn client_that_comes_back_hears_the_state_only_if_it_is_another() {
    let world = World::start().await;
    world.script.holds("u1", &["read"]);
    let token = world.organization_token("u1", "read");
    let api = Api::start(&world);
    let first = api.open(EVENTS, &token).await.next().await;
    let mut again = api.open_after(EVENTS, &token, Some(&first.id)).await;
    let heartbeat = again.frame().await.unwrap();
    assert_eq!(heartbeat.name, "");
    again.is_quiet().await;
    world.script.holds("u1", &[]);
    world.edited(About::subject("u1"));
    let change = again.next().await;
    assert_eq!(change.name, "change");
    change.says(&["read"], &[], "refresh");
    drop(again);
    let mut later = api.open_after(EVENTS, &token, Some(&first.id)).await;
    let state = later.next().await;
    assert_eq!((&*state.name, &state.id), ("state", &change.id));
    state.says(&["read"], &[], "refresh");
}

#[tokio::test]
async fn what_the_client_is_told_is_an_answer_and_what_it_knows_is_none() {
    let world = World::start().await;
    world.script.holds("u1", &["read", "export"]);
    let api = Api::start(&world);
    let next = |seconds: u64| {
        world.issuer.clock().advance(Duration::from_secs(seconds));
        world.organization_token("u1", "read")
    };
    let route = "/orgs/acme/export";
    // The feed says it first: the tokens that follow count on the live route, whose conversation it is.
    let token = next(0);
    let state = api.get(PATH, &token).await;
    assert!(state.body.contains("\"remediation\":\"refresh\""));
    api.get(route, &next(3)).await.is(403, "refresh");
    api.get(route, &next(3)).await.is(403, "refresh");
    let third = next(3);
    api.get(route, &third).await.is(403, "reconsent");
    assert!(api.get(PATH, &third).await.body.contains("\"remediation\":\"reconsent\""));
    // Neither 304, nor HEAD, nor what was asked about routes moves it on.
    for _ in 0..5 {
        let token = next(3);
        let head = api.send("HEAD", PATH, &token, &[]).await;
        let tag = head.header("etag").to_owned();
        let answer = api.send("GET", PATH, &token, &[("if-none-match", &tag)]).await;
        assert_eq!(answer.status, 304);
        api.send("HEAD", "/orgs/acme/permissions?may=GET+/orgs/acme/export", &token, &[]).await;
    }
    api.get(route, &next(3)).await.is(403, "reconsent");
}
