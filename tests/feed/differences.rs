//! Each kind of difference, and what it says to do.

use orgate::change::{About, Effect};
use orgate::permissions::Permissions;

use crate::support::World;
use crate::world::Api;

const PATH: &str = "/orgs/acme/permissions/events";

async fn world(held: &[&str]) -> World {
    let world = World::start().await;
    world.script.holds("u1", held);
    world
}

#[tokio::test]
async fn state_comes_first_and_shows_token_subject_and_difference() {
    let world = world(&["read", "export"]).await;
    let token = world.organization_token("u1", "read write");
    let mut reader = Api::start(&world).open(PATH, &token).await;
    let headers = &reader.headers;
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(
        (&headers["cache-control"], &headers["x-accel-buffering"]),
        (&"no-store".parse().unwrap(), &"no".parse().unwrap())
    );
    let state = reader.next().await;
    assert_eq!(state.name, "state");
    assert_eq!((state.words("token"), state.words("held")), (vec!["read", "write"], vec!["read", "export"]));
    state.says(&["write"], &["export"], "refresh");
    assert_eq!(state.data["status"], "known");
    assert_eq!(state.data["expires_at"], world.seconds() + 3600);
    assert!(state.data.get("may").is_none());
    reader.is_quiet().await;
}

#[tokio::test]
async fn lost_permission_is_told_and_says_refresh() {
    let world = world(&["read", "write"]).await;
    let mut reader = Api::start(&world).open(PATH, &world.organization_token("u1", "read write")).await;
    reader.next().await.says(&[], &[], "none");
    world.script.holds("u1", &["read"]);
    world.edited(About::member("acme", "u1"));
    let change = reader.next().await;
    assert_eq!(change.name, "change");
    change.says(&["write"], &[], "refresh");
    world.script.holds("u1", &["read", "write"]);
    world.edited(About::subject("u1"));
    reader.next().await.says(&[], &[], "none");
}

#[tokio::test]
async fn loss_without_a_change_is_told_within_the_bound() {
    let world = world(&["read", "write"]).await;
    let mut reader = Api::start(&world).open(PATH, &world.organization_token("u1", "read write")).await;
    reader.next().await.says(&[], &[], "none");
    world.script.holds("u1", &["read"]);
    reader.is_quiet().await;
    world.pass(5.0);
    reader.next().await.says(&["write"], &[], "refresh");
}

#[tokio::test]
async fn gained_organization_permission_says_refresh_until_three_tokens_lack_it_then_reconsent_then_none() {
    let world = world(&["read"]).await;
    let api = Api::start(&world);
    let mut reader = api.open(PATH, &world.organization_token("u1", "read")).await;
    reader.next().await.says(&[], &[], "none");
    world.script.holds("u1", &["read", "write"]);
    world.edited(About::OrganizationTemplate);
    world.pass(3.0);
    reader.next().await.says(&[], &["write"], "refresh");
    let mut said = Vec::new();
    for _ in 0..7 {
        // The next token is provably newer than what was said.
        world.issuer.clock().advance(std::time::Duration::from_secs(3));
        let token = world.organization_token("u1", "read");
        for _ in 0..2 {
            let state = api.open(PATH, &token).await.next().await;
            said.push(state.data["remediation"].as_str().unwrap().to_owned());
        }
    }
    let expected = ["refresh", "refresh", "reconsent", "reconsent", "reconsent", "none", "none"];
    assert_eq!(said, expected.map(|word| [word; 2]).concat());
}

#[tokio::test]
async fn gained_api_permission_says_reconsent_to_users_and_request_scope_to_machines() {
    let world = World::start().await;
    for (subject, token, remediation) in
        [("u1", world.token("u1", "read"), "reconsent"), ("m1", world.machine_token("m1", "read"), "request_scope")]
    {
        world.script.holds(subject, &["read"]);
        let mut reader = Api::start(&world).open("/permissions/events", &token).await;
        reader.next().await.says(&[], &[], "none");
        world.script.holds(subject, &["read", "write"]);
        world.edited(About::ApiPermissions);
        world.pass(3.0);
        reader.next().await.says(&[], &["write"], remediation);
    }
}

#[tokio::test]
async fn where_both_are_due_what_needs_no_person_comes_first() {
    let world = World::start().await;
    world.script.holds("u1", &["read", "export"]);
    let mut reader = Api::start(&world).open("/permissions/events", &world.token("u1", "read write")).await;
    reader.next().await.says(&["write"], &["export"], "refresh");
}

#[tokio::test]
async fn suspended_subject_ends_the_feed() {
    let world = world(&["read"]).await;
    let api = Api::start(&world);
    let mut reader = api.open(PATH, &world.organization_token("u1", "read")).await;
    reader.next().await;
    world.apply(About::subject("u1"), Effect::Suspended);
    reader.next().await.ended("suspended", "authenticate");
    reader.ends().await;
    api.get(PATH, &world.organization_token("u1", "read")).await.is(401, "authenticate");
}

#[tokio::test]
async fn subject_that_may_not_act_any_more_ends_the_feed_without_a_change() {
    let world = world(&["read"]).await;
    let mut reader = Api::start(&world).open(PATH, &world.organization_token("u1", "read")).await;
    reader.next().await;
    world.script.says("u1", Permissions::none());
    world.pass(5.0);
    reader.next().await.ended("permission_lost", "refresh");
    reader.ends().await;
}

#[tokio::test]
async fn feed_ends_with_its_token() {
    let world = world(&["read"]).await;
    let mut reader = Api::start(&world).open(PATH, &world.organization_token("u1", "read")).await;
    reader.next().await;
    world.issuer.clock().advance_wall(std::time::Duration::from_secs(3600 + 61));
    reader.next().await.ended("expired", "refresh");
    reader.ends().await;
}

#[tokio::test]
async fn removed_member_ends_the_feed() {
    let world = world(&["read"]).await;
    let mut reader = Api::start(&world).open(PATH, &world.organization_token("u1", "read")).await;
    reader.next().await;
    world.apply(About::member("acme", "u1"), Effect::Deleted);
    reader.next().await.ended("revoked", "refresh");
}

#[tokio::test]
async fn another_subject_s_change_is_not_told() {
    let world = world(&["read"]).await;
    world.script.holds("u2", &["read"]);
    let mut reader = Api::start(&world).open(PATH, &world.organization_token("u1", "read")).await;
    reader.next().await;
    let calls = world.script.calls();
    world.edited(About::member("acme", "u2"));
    world.apply(About::subject("u2"), Effect::Suspended);
    world.edited(About::organization("globex"));
    reader.is_quiet().await;
    assert_eq!(world.script.calls(), calls);
}

#[tokio::test]
async fn scopes_that_are_not_named_are_never_shown() {
    let world = world(&["read", "secret:gained"]).await;
    let token = world.organization_token("u1", "read secret:lost");
    let api = Api::start(&world);
    let mut reader = api.open(PATH, &token).await;
    let state = reader.next().await;
    state.says(&[], &[], "none");
    assert!(!state.data.to_string().contains("secret"));
    world.script.holds("u1", &["read", "secret:more", "export"]);
    world.edited(About::subject("u1"));
    let change = reader.next().await;
    change.says(&[], &["export"], "refresh");
    assert!(!change.data.to_string().contains("secret"));
    assert!(!api.get("/orgs/acme/permissions", &token).await.body.contains("secret"));
}
