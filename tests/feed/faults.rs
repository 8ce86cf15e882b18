//! What the feed says while something is down.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orgate::change::{About, Change, Facts, Log, LogError, Staleness, Update, Updates};
use orgate::future::BoxFuture;
use tokio::sync::mpsc;

use crate::support::{Act, World};
use crate::world::Api;

const PATH: &str = "/orgs/acme/permissions/events";

#[tokio::test]
async fn source_that_is_down_is_undecided_and_the_stream_goes_on() {
    let world = World::start().await;
    world.script.holds("u1", &["read"]);
    let api = Api::start(&world);
    let token = world.organization_token("u1", "read");
    let mut reader = api.open(PATH, &token).await;
    reader.next().await.says(&[], &[], "none");
    world.script.act(Act::Fail(None));
    world.edited(About::subject("u1"));
    let undecided = reader.next().await;
    assert_eq!((&*undecided.name, &undecided.data["status"]), ("undecided", &"undecided".into()));
    assert!(undecided.data["retry_after"].as_u64().unwrap() > 0);
    // It is said once.
    for _ in 0..5 {
        world.pass(2.0);
        tokio::time::sleep(Duration::from_millis(250)).await;
        while let Some(event) = reader.at_once() {
            assert_eq!(event.name, "", "{event:?}");
        }
    }
    api.get(PATH, &token).await.is(503, "retry");
    api.get("/orgs/acme/permissions", &token).await.is(503, "retry");
    world.script.act(Act::Answer);
    world.pass(2.0);
    // Whatever it is: it can be said again.
    reader.next().await.says(&[], &[], "none");
    world.script.holds("u1", &[]);
    world.edited(About::subject("u1"));
    reader.next().await.says(&["read"], &[], "refresh");
}

#[tokio::test]
async fn source_that_is_down_does_not_hide_a_suspension() {
    let world = World::start().await;
    world.script.holds("u1", &["read"]);
    let mut reader = Api::start(&world).open(PATH, &world.organization_token("u1", "read")).await;
    reader.next().await;
    world.script.act(Act::Fail(None));
    world.edited(About::subject("u1"));
    assert_eq!(reader.next().await.name, "undecided");
    world.apply(About::subject("u1"), orgate::change::Effect::Suspended);
    reader.next().await.ended("suspended", "authenticate");
}

#[tokio::test]
async fn server_that_closes_ends_all_and_spreads_their_return() {
    let world = World::start().await;
    let feed = |feed: orgate::feed::PermissionFeed| feed.max_connections_of_subject(100);
    let api = Api::with(&world, feed);
    world.script.holds("u1", &["read"]);
    let token = world.organization_token("u1", "read");
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut reader = api.open(PATH, &token).await;
        reader.next().await;
        readers.push(reader);
    }
    world.server.close();
    let mut retries = Vec::new();
    for reader in &mut readers {
        let end = reader.next().await;
        end.ended("closing", "retry");
        retries.push(end.retry.unwrap());
        reader.ends().await;
    }
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 10, "they come back at different times: {retries:?}");
    api.get(PATH, &token).await.is(503, "retry");
}

#[tokio::test]
async fn removed_issuer_ends_its_feeds() {
    let world = World::start().await;
    world.script.holds("u1", &["read"]);
    let mut reader = Api::start(&world).open(PATH, &world.organization_token("u1", "read")).await;
    reader.next().await;
    world.server.issuer("main").unwrap().remove().unwrap();
    reader.next().await.ended("issuer_removed", "authenticate");
}

/// Says once that it is current, and then what a test sends.
struct Sent(Mutex<Option<mpsc::UnboundedReceiver<Update>>>);

impl Sent {
    fn new() -> (mpsc::UnboundedSender<Update>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self(Mutex::new(Some(receiver))))
    }
}

impl Log for Sent {
    fn append<'a>(&'a self, _: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async { Ok(()) })
    }

    fn follow(&self, held: Arc<dyn Facts>) -> Box<dyn Updates> {
        let receiver = self.0.lock().unwrap().take().expect("it is followed once");
        Box::new(Following { first: Some(Update::current(held.now().monotonic)), receiver })
    }

    fn staleness(&self) -> Option<Staleness> {
        Some(Staleness::refuse_after(Duration::from_secs(60)))
    }
}

struct Following {
    first: Option<Update>,
    receiver: mpsc::UnboundedReceiver<Update>,
}

impl Updates for Following {
    fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
        Box::pin(async move {
            match self.first.take() {
                Some(update) => Some(update),
                None => self.receiver.recv().await,
            }
        })
    }
}

#[tokio::test]
async fn suspension_that_a_log_has_kept_ends_the_feed_and_asks_nothing() {
    let (log, sent) = Sent::new();
    let world = World::configured(|builder| builder.change_log(sent)).await;
    world.server.ready().await.unwrap();
    world.script.holds("u1", &["read"]);
    let mut reader = Api::start(&world).open(PATH, &world.organization_token("u1", "read")).await;
    assert_eq!(reader.next().await.name, "state");
    let calls = world.script.calls();
    let at = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(world.seconds());
    let issuer = world.server.issuer("main").unwrap().issuer().to_owned();
    log.send(Update::Fact(Change::suspended(issuer, "u1", at).fact().unwrap())).unwrap();
    reader.next().await.ended("suspended", "authenticate");
    assert_eq!(world.script.calls(), calls);
}

#[tokio::test]
async fn log_that_is_cut_off_ends_feeds_as_it_rejects_requests() {
    // Nothing is sent.
    let (_log, sent) = Sent::new();
    let world = World::configured(|builder| builder.change_log(sent)).await;
    world.server.ready().await.unwrap();
    world.script.holds("u1", &["read"]);
    let api = Api::start(&world);
    let token = world.organization_token("u1", "read");
    let mut reader = api.open(PATH, &token).await;
    assert_eq!(reader.next().await.name, "state");
    let mut end = None;
    for step in 0..40 {
        world.pass(5.0);
        tokio::time::sleep(Duration::from_millis(250)).await;
        while let Some(event) = reader.at_once() {
            match &*event.name {
                "" => {}
                "undecided" => assert!(step >= 11, "{step}"),
                _ => {
                    end = Some(event);
                    break;
                }
            }
        }
        if end.is_some() {
            break;
        }
    }
    let end = end.expect("an end");
    end.ended("undecided", "retry");
    assert!(end.retry.unwrap() >= 1000, "{end:?}");
    api.get(PATH, &token).await.is(503, "retry");
}
