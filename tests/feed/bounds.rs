//! How many connections there may be, and what becomes of those that do not read.

use std::time::Duration;

use futures_util::future::join_all;
use orgate::change::About;
use orgate::feed::PermissionFeed;

use crate::support::World;
use crate::world::{Api, in_organization};

const PATH: &str = "/orgs/acme/permissions/events";

async fn world() -> World {
    let world = World::start().await;
    for subject in ["u1", "u2", "u3"] {
        world.script.holds(subject, &["read", "write"]);
    }
    world
}

#[tokio::test]
async fn connections_of_a_subject_are_bounded_and_their_places_come_back() {
    let world = world().await;
    let api = Api::with(&world, |feed| feed.max_connections_of_subject(2));
    let (one, two) = (world.organization_token("u1", "read"), world.organization_token("u1", "write"));
    let mut first = api.open(PATH, &one).await;
    let second = api.open(PATH, &two).await;
    let third = api.get(PATH, &one).await;
    third.is(503, "retry");
    assert_eq!(third.header("retry-after"), "30");
    let _other_subject = api.open(PATH, &world.organization_token("u2", "read")).await;
    drop(second);
    let _again = api.open(PATH, &one).await;
    // What is over takes no place, read to its end or not.
    world.apply(About::subject("u3"), orgate::change::Effect::Suspended);
    first.next().await;
    assert_eq!(api.get(PATH, &two).await.status, 503);
}

#[tokio::test]
async fn connections_in_all_are_bounded() {
    let world = world().await;
    let api = Api::with(&world, |feed| feed.max_connections(2));
    let token = |subject| world.organization_token(subject, "read");
    let first = api.open(PATH, &token("u1")).await;
    let _second = api.open(PATH, &token("u2")).await;
    api.get(PATH, &token("u3")).await.is(503, "retry");
    drop(first);
    let _third = api.open(PATH, &token("u3")).await;
    api.get("/orgs/acme/permissions", &token("u1")).await.is(200, "");
}

#[tokio::test]
async fn ten_thousand_connects_at_once_are_as_many_as_there_may_be() {
    let world = world().await;
    let feed =
        PermissionFeed::new(in_organization()).scopes(["read"]).max_connections(100).max_connections_of_subject(1000);
    let feed = world.server.permission_feed(feed).unwrap();
    let tokens = ["u1", "u2", "u3"].map(|subject| world.organization_token(subject, "read"));
    let connect = async |number: usize| {
        let request =
            http::Request::get("/").header("authorization", format!("Bearer {}", tokens[number % 3])).body(());
        let mut head = request.unwrap().into_parts().0;
        head.extensions.insert(orgate::organization::PathParams::new([("org", "acme")]));
        feed.events(&mut head).await
    };
    let responses = join_all((0..10_000).map(connect)).await;
    let open = responses.iter().filter(|response| response.status() == 200).count();
    assert_eq!((open, feed.connections()), (100, 100));
    assert!(responses.iter().all(|response| [200, 503].contains(&response.status().as_u16())));
    assert_eq!(world.script.calls(), 3, "one question for each subject");
    drop(responses);
    assert_eq!(feed.connections(), 0);
}

#[tokio::test]
async fn client_that_stops_reading_is_ended_and_nothing_was_queued_for_it() {
    let world = world().await;
    let api = Api::start(&world);
    let token = world.organization_token("u1", "read write");
    let (mut reader, mut witness) = (api.open(PATH, &token).await, api.open(PATH, &token).await);
    reader.next().await;
    witness.next().await;
    let held: [&[&str]; 4] = [&["read"], &["read", "write"], &["write"], &["read"]];
    for held in held {
        world.script.holds("u1", held);
        world.edited(About::subject("u1"));
        // It reads, and is told.
        witness.next().await;
    }
    // In time it learns the last state, and nothing of those in between.
    reader.next().await.says(&["write"], &[], "refresh");
    reader.is_quiet().await;
    // Too late, it learns only that it was too late.
    world.script.holds("u1", &[]);
    world.edited(About::subject("u1"));
    witness.next().await.says(&["read", "write"], &[], "refresh");
    world.pass(31.0);
    reader.next().await.ended("slow_reader", "retry");
    reader.ends().await;
    assert_eq!(witness.frame().await.unwrap().name, "", "who reads is not ended");
}

#[tokio::test]
async fn heartbeats_come_while_nothing_changes() {
    let world = world().await;
    let mut reader = Api::start(&world).open(PATH, &world.organization_token("u1", "read write")).await;
    reader.next().await;
    for _ in 0..3 {
        world.pass(14.9);
        reader.is_quiet().await;
        world.pass(0.2);
        let beat = loop {
            if let Some(beat) = reader.at_once() {
                break beat;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((&*beat.name, &beat.data), ("", &serde_json::Value::Null));
    }
    // A heartbeat that is not read counts as well.
    world.pass(46.0);
    reader.next().await.ended("slow_reader", "retry");
}

#[test]
fn settings_out_of_their_range_are_errors_that_name_the_value() {
    let world = tokio::runtime::Runtime::new().unwrap().block_on(World::start());
    let error = |feed: PermissionFeed| world.server.permission_feed(feed).unwrap_err().to_string();
    let feed = || PermissionFeed::new(in_organization()).scopes(["read"]);
    let policy = orgate::policy::resource;
    let second = Duration::from_secs(1);
    for (faulty, expected) in [
        (feed().heartbeat(Duration::ZERO), "heartbeat 0ns"),
        (feed().heartbeat(301 * second), "heartbeat 301s"),
        (feed().slow_reader_after(601 * second), "slow_reader_after 601s"),
        (feed().max_connections(0), "max_connections 0"),
        (feed().max_connections_of_subject(1001), "max_connections_of_subject 1001"),
        (PermissionFeed::new(in_organization()), "number of scopes 0"),
        (PermissionFeed::new(in_organization()).scopes((0..33).map(|n| format!("s{n}"))), "number of scopes 33"),
        (PermissionFeed::new(in_organization()).scopes(["a b"]), "\"a b\""),
        (PermissionFeed::new(policy()).scopes(["read"]), "needs fresh_within"),
        (PermissionFeed::new(policy().live().or(policy().user())).scopes(["read"]), "needs fresh_within"),
        (PermissionFeed::new(policy().live().dangerous_token_only_on_error()).scopes(["read"]), "tolerance"),
        (PermissionFeed::new(policy().live().check("x", |_| true)).scopes(["read"]), "written check"),
        (PermissionFeed::new(orgate::policy::optional(policy().live())).scopes(["read"]), "optional"),
        (PermissionFeed::new(policy().live().shadow(policy().user())).scopes(["read"]), "shadow"),
    ] {
        let error = error(faulty);
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
    }
}
