//! Several issuers, and issuers that come and go.

use orgate::policy::{authenticated, organization, path, resource};
use orgate::testing::TestIssuer;
use orgate::{Issuer, ResourceServer};

use crate::support::{API, Act, Api, Script, World};

#[tokio::test]
async fn each_entry_has_its_own_truth() {
    let world = World::start().await;
    let (other, source) = (TestIssuer::start().await, Script::default());
    let entry = Issuer::new(other.url()).name("other").permissions(source.clone());
    world.server.add_issuer(entry).unwrap();
    let policy = resource().scope("a").any_issuer().live();
    let api = Api::of(&world.server, &[("/", policy), ("/other", resource().scope("a").issued_by("other").live())]);
    let (ours, theirs) = (world.token("u1", "a"), other.resource_token(API).subject("u1").scope("a").mint());
    world.script.holds("u1", &["a"]);
    api.get(&ours).await.is(200, "");
    api.get(&theirs).await.is(401, "refresh");
    source.holds("u1", &["a"]);
    world.script.holds("u1", &[]);
    api.get(&ours).await.is(401, "refresh");
    api.get(&theirs).await.is(200, "");
    api.get_at("/other", &theirs).await.is(200, "");
    assert!(source.asked().iter().all(|query| query.issuer_name() == "other"));
    assert!(world.script.asked().iter().all(|query| query.issuer_name() == "main"));
    source.act(Act::Fail(None));
    world.script.holds("u1", &["a"]);
    api.get(&theirs).await.is(503, "retry");
    api.get(&ours).await.is(200, "");
}

#[tokio::test]
async fn an_issuer_that_comes_back_begins_with_nothing() {
    let world = World::start().await;
    let hour = std::time::Duration::from_secs(3600);
    let (api, token) = (world.api(resource().scope("a").any_issuer().fresh_within(hour)), world.token("u1", "a"));
    world.script.holds("u1", &["a"]);
    api.get(&token).await.is(200, "");
    world.server.issuer("main").unwrap().remove().unwrap();
    api.get(&token).await.is(401, "authenticate");
    assert_eq!(world.script.holders(), 0, "its source is gone with it");
    let source = Script::default();
    source.holds("u1", &["b"]);
    world.server.add_issuer(Issuer::new(world.issuer.url()).name("main").permissions(source.clone())).unwrap();
    api.get(&token).await.is(401, "refresh");
    assert_eq!((world.script.calls(), source.calls()), (1, 1));
}

#[tokio::test]
async fn an_entry_that_comes_without_a_source() {
    let world = World::start().await;
    let api = world.api(resource().scope("a").any_issuer().live());
    let other = TestIssuer::start().await;
    world.server.add_issuer(Issuer::new(other.url()).name("other")).unwrap();
    let log = crate::log::Log::of_everything();
    let token = other.resource_token(API).subject("u1").scope("a").mint();
    api.get(&token).await.is(500, "none");
    assert!(log.text().contains("issuer other has no source of live permissions: expected one, such as"));
}

#[tokio::test]
async fn what_cannot_be_fresh_is_found_at_start() {
    let fault = |server: &ResourceServer, policy| server.require(policy).map(|_| ()).unwrap_err().to_string();
    let bare = ResourceServer::builder("https://issuer.example", API).build().unwrap();
    let error = fault(&bare, resource().live());
    assert!(error.contains("has no permission source, such as"), "{error}");
    let error = fault(&bare, organization(path("org")).or(resource().live()));
    assert!(error.contains("has no permission source"), "{error}");
    assert!(bare.guard::<()>().get("/", async || (), resource().live()).into_router().is_err());

    let world = World::start().await;
    for policy in [authenticated().live(), resource().or(authenticated().live())] {
        let error = fault(&world.server, policy);
        assert!(error.contains("`authenticated`"), "{error}");
    }
    world.server.add_issuer(Issuer::new("https://other.example").name("other")).unwrap();
    let error = fault(&world.server, resource().any_issuer().live());
    assert!(error.contains("issuer \"other\" has no permission source"), "{error}");
    assert!(world.server.require(resource().issued_by("main").live()).is_ok());
}
