use std::sync::Mutex as StdMutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::change::expected::MOST_EXPECTED;
use crate::change::invalidations::Question;
use crate::change::{FactKey, Log, LogError, Update, Updates};
use crate::future::BoxFuture;
use crate::testing::TestClock;
use crate::{Issuer, ResourceServer};

const ONE: &str = "https://one.example/oidc";
const TWO: &str = "https://two.example/oidc";
const API: &str = "https://api.example.com";
const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const NOON: u64 = 1_800_000_000;

fn issuer(iss: &str) -> Issuer {
    Issuer::new(iss).jwks_json(KEYS)
}

fn server() -> (ResourceServer, TestClock) {
    let clock = TestClock::new(Duration::from_secs(NOON));
    let server = ResourceServer::builder(issuer(ONE).name("one"), API).clock(clock.clone()).build().unwrap();
    (server, clock)
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn facts(server: &ResourceServer, iss: &str) -> Vec<(FactKey, u64)> {
    let changes = &server.state.changes;
    let issuers = changes.issuers();
    let (_, id) = issuers.iter().find(|(known, _)| **known == *iss).unwrap();
    let facts = changes.revocations.facts(*id, changes.clock.now());
    facts.into_iter().map(|(key, rank)| (key, rank.since_epoch().as_secs())).collect()
}

/// From when on an answer about alice is true.
fn latest(server: &ResourceServer, name: &str) -> Epoch {
    let entries = server.state.entries.load();
    let entry = entries.named(name).unwrap();
    entry.lasting.invalidations.latest(Question::Api { subject: "alice", is_user: true })
}

#[test]
fn future_moment_counts_as_now_plus_the_leeway() {
    let (server, _) = server();
    let one = server.issuer("one").unwrap();
    one.apply_change(&Change::suspended(ONE, "alice", at(NOON + 86_400))).unwrap();
    assert_eq!(facts(&server, ONE), [(FactKey::suspension("alice"), NOON + 60)]);
    // What really happens a minute later is not ignored because of it.
    one.apply_change(&Change::restored(ONE, "alice", at(NOON + 60))).unwrap();
    assert_eq!(facts(&server, ONE), [(FactKey::suspension("alice"), NOON + 60)], "of the same moment the stricter one");
}

#[test]
fn a_moment_ahead_is_news_each_time_and_hides_nothing() {
    let (server, clock) = server();
    let one = server.issuer("one").unwrap();
    let is_news = |seconds: u64| {
        let before = latest(&server, "one");
        one.apply_change(&Change::edited(ONE, About::subject("alice"), at(seconds))).unwrap();
        latest(&server, "one") > before
    };
    assert!(is_news(NOON + 60) && is_news(NOON + 60), "ahead of this clock");
    assert!(is_news(NOON - 30), "by a clock that is behind");
    assert!(!is_news(NOON - 30), "repeated");
    one.revoke(About::subject("alice")).unwrap();
    assert!(is_news(NOON - 29), "after a revocation by hand");
    clock.advance(Duration::from_secs(60));
    assert!(is_news(NOON + 60), "what really happens at that moment");
    assert!(!is_news(NOON + 60) && !is_news(NOON - 1), "repeated, and overtaken for longer than clocks differ");
    assert!(is_news(NOON), "overtaken, and maybe by the clock of another node only");
}

#[test]
fn restoration_from_beyond_the_leeway_is_ignored() {
    let (server, clock) = server();
    let one = server.issuer("one").unwrap();
    one.apply_change(&Change::suspended(ONE, "alice", at(NOON))).unwrap();
    one.apply_change(&Change::restored(ONE, "alice", at(NOON + 61))).unwrap();
    let restored = Change::restored(ONE, "alice", at(NOON + 61)).fact().unwrap();
    server.state.changes.load(&restored, Origin::Shared);
    server.state.changes.receive(Change::restored(ONE, "alice", at(NOON + 61)), Origin::Shared);
    assert_eq!(facts(&server, ONE), [(FactKey::suspension("alice"), NOON)]);
    clock.advance(Duration::from_secs(1));
    server.state.changes.load(&restored, Origin::Shared);
    assert_eq!(facts(&server, ONE), [(FactKey::suspension("alice"), NOON + 61)]);
}

#[test]
fn loaded_fact_rejects_and_makes_nothing_stale() {
    let (server, _) = server();
    let before = latest(&server, "one");
    server.state.changes.load(&Change::suspended(ONE, "alice", at(NOON)).fact().unwrap(), Origin::Shared);
    assert_eq!(latest(&server, "one"), before);
    server.state.changes.receive(Change::suspended(ONE, "alice", at(NOON)), Origin::Shared);
    assert!(latest(&server, "one") > before, "a change does");
    let before = latest(&server, "one");
    server.state.changes.missed();
    assert!(latest(&server, "one") > before, "and so does a gap");
}

#[test]
fn facts_of_an_issuer_that_is_added_later_wait_for_it() {
    let (server, _) = server();
    server.state.changes.load(&Change::suspended(TWO, "bob", at(NOON)).fact().unwrap(), Origin::Shared);
    server.state.changes.receive(Change::not_before(TWO, About::client("app"), at(NOON)), Origin::Shared);
    let two = server.add_issuer(issuer(TWO).name("two")).unwrap();
    let mut known = facts(&server, TWO);
    known.sort();
    assert_eq!(known, [(FactKey::client("app"), NOON), (FactKey::suspension("bob"), NOON)]);
    // Removed, all of it goes; the next one of that name and issuer is another one.
    two.remove().unwrap();
    assert!(two.revoke(About::Everyone).is_err());
    server.add_issuer(issuer(TWO).name("two")).unwrap();
    assert_eq!(facts(&server, TWO), []);
}

#[test]
fn issuer_whose_facts_found_no_room_starts_with_a_not_before() {
    let (server, _) = server();
    for number in 0..=MOST_EXPECTED {
        let iss = format!("https://{number}.example");
        server.state.changes.load(&Change::suspended(iss, "bob", at(NOON)).fact().unwrap(), Origin::Shared);
    }
    server.add_issuer(issuer(TWO)).unwrap();
    assert_eq!(facts(&server, TWO), [(FactKey::Everyone, NOON)]);
}

/// A log that replicas share, and what it delivers at once.
struct Replicas(Vec<Update>);

impl Log for Replicas {
    fn append<'a>(&'a self, _: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn follow(&self, _: Arc<dyn crate::change::Facts>) -> Box<dyn Updates> {
        struct Once(std::vec::IntoIter<Update>);
        impl Updates for Once {
            fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
                match self.0.next() {
                    Some(update) => Box::pin(std::future::ready(Some(update))),
                    None => Box::pin(std::future::pending()),
                }
            }
        }
        Box::new(Once(self.0.clone().into_iter()))
    }
}

/// A server with that log and a file beside it, once both were taken in and the file is written.
async fn beside(path: &std::path::Path, clock: &TestClock, updates: Vec<Update>) -> ResourceServer {
    loop {
        let builder = ResourceServer::builder(issuer(ONE).name("one"), API).clock(clock.clone());
        if let Ok(server) = builder.change_log(Replicas(updates.clone())).change_file(path).build() {
            server.state.changes.follow();
            server.changes_kept().await;
            return server;
        }
        // The thread of the server before closes it a moment later.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn moment_ahead_from_a_shared_log_is_kept_beside_as_it_was_counted() {
    let ahead = NOON + 20 * 3600;
    let suspended = Change::suspended(ONE, "alice", at(ahead));
    let of_two = Change::suspended(TWO, "bob", at(ahead)).fact().unwrap();
    let end_of_time = Change::not_before(ONE, About::Everyone, at(253_402_300_799)).fact().unwrap();
    for update in [Update::Fact(suspended.fact().unwrap()), Update::Change(suspended)] {
        let path = std::env::temp_dir().join(format!("orgate-beside-{}", std::process::id()));
        _ = std::fs::remove_file(&path);
        let clock = TestClock::new(Duration::from_secs(NOON));
        let updates = vec![update, Update::Fact(of_two.clone()), Update::Fact(end_of_time.clone())];
        let counted = [(FactKey::Everyone, NOON + 60), (FactKey::suspension("alice"), NOON + 60)];
        let sorted = |server: &ResourceServer, iss| {
            let mut known = facts(server, iss);
            known.sort();
            known
        };
        let server = beside(&path, &clock, updates).await;
        assert_eq!(sorted(&server, ONE), counted);
        drop(server);
        clock.advance(Duration::from_secs(120));
        // What Redis held was removed meanwhile.
        let server = beside(&path, &clock, Vec::new()).await;
        server.add_issuer(issuer(TWO)).unwrap();
        assert_eq!(
            (sorted(&server, ONE), facts(&server, TWO)),
            (counted.to_vec(), vec![(FactKey::suspension("bob"), NOON + 60)])
        );
        server.issuer("one").unwrap().apply_change(&Change::restored(ONE, "alice", at(NOON + 90))).unwrap();
        let alice = facts(&server, ONE).into_iter().find(|(key, _)| *key == FactKey::suspension("alice"));
        assert_eq!(alice, Some((FactKey::suspension("alice"), NOON + 90)), "the suspension is lifted");
    }
}

/// Who was told what.
#[derive(Default)]
struct Notes(StdMutex<Vec<(String, About, bool)>>);

impl Follower for Notes {
    fn changed(&self, applied: &Applied<'_>) {
        let entry = applied.entry.rules.name.to_string();
        // Revocations and marks are told first.
        let question = Question::Api { subject: "alice", is_user: true };
        let is_marked = applied.entry.lasting.invalidations.latest(question) <= applied.at;
        assert!(is_marked, "{:?}", applied.about);
        self.0.lock().unwrap().push((entry, applied.about.clone(), applied.refuses_more));
    }
}

#[test]
fn followers_are_told_what_is_new() {
    let (server, clock) = server();
    let notes = Arc::new(Notes::default());
    let changes = Arc::new(Changes::new(Parts {
        entries: server.state.entries.clone(),
        bounds: Bounds::default(),
        followers: vec![notes.clone()],
        clock: Arc::new(clock),
        leeway: Duration::from_secs(60),
        generation: Generation::default(),
        log: None,
        file: None,
    }));
    let id = server.state.entries.load().named("one").unwrap().id();
    let (alice, role) = (About::subject("alice"), About::ApiPermissions);
    let suspended = Change::suspended(ONE, "alice", at(NOON));
    changes.apply(id, [suspended.clone(), suspended.clone(), Change::edited(ONE, role.clone(), at(NOON))]).unwrap();
    changes.load(&suspended.fact().unwrap(), Origin::Shared);
    changes.load(&Change::not_before(ONE, About::client("web"), at(NOON)).fact().unwrap(), Origin::Shared);
    changes.missed();
    let told = std::mem::take(&mut *notes.0.lock().unwrap());
    let one = |about: &About, refuses_more| ("one".to_owned(), about.clone(), refuses_more);
    let client = About::client("web");
    assert_eq!(
        told,
        [one(&alice, true), one(&role, false), one(&client, true), one(&About::Everything, false)],
        "neither what is repeated, nor a fact that is known"
    );
    changes.remove(id).unwrap();
    assert_eq!(notes.0.lock().unwrap().last().unwrap(), &one(&About::Everything, true));
    assert!(changes.apply(id, [suspended]).is_none());
}

/// A log that fails first, and has nothing to say.
struct Deaf {
    fails: AtomicU32,
    kept: StdMutex<Vec<Change>>,
}

impl Log for Deaf {
    fn append<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            let left = self.fails.fetch_update(Relaxed, Relaxed, |fails| fails.checked_sub(1));
            match left {
                Ok(2) => panic!("the last but one panics"),
                Ok(_) => return Err(LogError::new("down")),
                Err(_) => {}
            }
            self.kept.lock().unwrap().extend_from_slice(changes);
            Ok(())
        })
    }

    fn follow(&self, _: Arc<dyn crate::change::Facts>) -> Box<dyn Updates> {
        struct Never;
        impl Updates for Never {
            fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
                Box::pin(std::future::pending())
            }
        }
        Box::new(Never)
    }
}

fn logged(fails: u32) -> (ResourceServer, Arc<Deaf>) {
    struct Shared(Arc<Deaf>);
    impl Log for Shared {
        fn append<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
            self.0.append(changes)
        }

        fn follow(&self, held: Arc<dyn crate::change::Facts>) -> Box<dyn Updates> {
            self.0.follow(held)
        }
    }
    let log = Arc::new(Deaf { fails: AtomicU32::new(fails), kept: StdMutex::default() });
    let clock = TestClock::new(Duration::from_secs(NOON));
    let builder = ResourceServer::builder(issuer(ONE).name("one"), API).clock(clock);
    (builder.change_log(Shared(log.clone())).build().unwrap(), log)
}

#[tokio::test]
async fn changes_are_appended_in_order_until_they_are_kept() {
    let (server, log) = logged(3);
    let one = server.issuer("one").unwrap();
    let changes: Vec<_> = (0..600).map(|number| Change::suspended(ONE, number.to_string(), at(NOON))).collect();
    for change in &changes {
        one.apply_change(change).unwrap();
    }
    assert!(server.change_log().unwrap().pending > 0);
    server.changes_kept().await;
    assert_eq!(*log.kept.lock().unwrap(), changes);
    let status = server.change_log().unwrap();
    assert_eq!((status.pending, status.failures, status.is_current), (0, 3, true));
}

#[tokio::test]
async fn echo_of_an_own_change_is_not_appended_again_and_marks_once_each_time() {
    let (server, log) = logged(0);
    let one = server.issuer("one").unwrap();
    one.revoke(About::subject("alice")).unwrap();
    server.changes_kept().await;
    let [own] = &*log.kept.lock().unwrap().clone() else { panic!("one change") };
    for _ in 0..3 {
        let before = latest(&server, "one");
        server.state.changes.receive(own.clone(), Origin::Shared);
        let after = latest(&server, "one");
        assert!(after > before, "it is ahead of this clock");
        server.changes_kept().await;
        assert_eq!(latest(&server, "one"), after, "nothing follows from it");
    }
    assert_eq!(log.kept.lock().unwrap().len(), 1);
    assert_eq!(server.change_log().unwrap().pending, 0);
}

#[tokio::test]
async fn changes_that_found_no_room_are_collected_from_what_is_known() {
    // The log is down until all of them are applied, and fails twice more.
    let (server, log) = logged(u32::MAX);
    let one = server.issuer("one").unwrap();
    for number in 0..10_500 {
        one.apply_change(&Change::suspended(ONE, number.to_string(), at(NOON))).unwrap();
    }
    log.fails.store(2, Relaxed);
    server.changes_kept().await;
    let kept = log.kept.lock().unwrap();
    let suspended: std::collections::HashSet<_> = kept.iter().filter_map(Change::fact).collect();
    assert_eq!(suspended.len(), 10_500, "{}", kept.len());
    assert!(kept.iter().any(|change| *change.about() == About::Everything), "and what was edited");
}

#[test]
fn changes_are_kept_with_and_without_a_runtime() {
    let (server, log) = logged(3);
    let one = server.issuer("one").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    one.revoke(About::subject("alice")).unwrap();
    runtime.block_on(server.changes_kept());
    runtime.block_on(async {
        one.revoke(About::subject("bob")).unwrap();
        server.changes_kept().await;
    });
    assert_eq!(log.kept.lock().unwrap().len(), 2);
}
