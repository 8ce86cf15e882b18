//! Changes that are no facts: what is remembered of live permissions is dropped wherever it may be stale.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orgate::change::redis::RedisBuilder;
use orgate::change::{About, Change};
use orgate::engine::Requirement;
use orgate::future::BoxFuture;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::resource;
use orgate::time::SystemClock;
use orgate::{Issuer, ResourceServer};

use super::fleet::{FACTS, FEED, Fleet, Member, name, redis, settle};
use super::proxy::{Fault, Proxy};
use super::server::Server;
use crate::support::{API, now};

/// Everybody may read. Counts how often it is asked, and told that what it keeps is stale.
#[derive(Clone, Default)]
struct Source(Arc<AtomicUsize>, Arc<AtomicUsize>);

impl PermissionSource for Source {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(Permissions::of(["read"])) })
    }

    fn invalidate(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// A replica with a route that keeps live permissions for an hour.
struct Live {
    member: Member,
    source: Source,
    reading: Requirement,
}

impl Live {
    async fn start(fleet: &Fleet, settings: RedisBuilder) -> Self {
        let source = Source::default();
        let entry = Issuer::new(fleet.issuer.url()).permissions(source.clone());
        let builder = ResourceServer::builder(entry, API).clock(SystemClock::new());
        let member = fleet.start_as(builder, settings).await;
        member.becomes(orgate::change::redis::RedisState::Current).await;
        let policy = resource().scope("read").fresh_within(Duration::from_secs(3600));
        let reading = member.replica.server.requirement(policy).unwrap();
        Self { member, source, reading }
    }

    /// Asks for a user; how often the source was asked by then.
    async fn read(&self, fleet: &Fleet, user: usize) -> usize {
        let token = fleet.issuer.resource_token(API).subject(name(user)).scope("read").mint();
        let request = http::Request::get("/").header("authorization", format!("Bearer {token}"));
        let (mut request, ()) = request.body(()).unwrap().into_parts();
        self.reading.authorize(&mut request).await.unwrap();
        self.source.0.load(Ordering::Relaxed)
    }

    /// Asks until the source is asked again: fetches are spread over a moment after a change.
    async fn is_asked_again(&self, fleet: &Fleet, user: usize, before: usize) {
        for _ in 0..2000 {
            if self.read(fleet, user).await > before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("what was remembered is never dropped: {:?}", self.member.redis.status());
    }
}

#[tokio::test]
async fn change_drops_live_snapshots_elsewhere() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let one = Live::start(&fleet, redis(&server.url())).await;
    let two = Live::start(&fleet, redis(&server.url())).await;
    for live in [&one, &two] {
        assert_eq!((live.read(&fleet, 1).await, live.read(&fleet, 2).await, live.read(&fleet, 1).await), (1, 2, 2));
    }
    // Of somebody else: nothing of theirs is dropped.
    fleet.edit(&one.member, 3);
    two.member.until("applied", |redis| redis.status().counts.applied == 1).await;
    assert_eq!((two.read(&fleet, 1).await, two.read(&fleet, 2).await), (2, 2));
    fleet.edit(&one.member, 1);
    two.member.until("applied", |redis| redis.status().counts.applied == 2).await;
    two.is_asked_again(&fleet, 1, 2).await;
    one.is_asked_again(&fleet, 1, 2).await;
    assert_eq!(two.read(&fleet, 2).await, 3, "the other user's are kept");
}

#[tokio::test]
async fn slow_reader_reconciles_after_trim() {
    let (server, mut fleet) = (Server::start(&["--stream-node-max-entries", "5"]).await, Fleet::new().await);
    settle(&server);
    let proxy = Proxy::to(server.port).await;
    let one = fleet.join(redis(&server.url()).feed_entries(10)).await;
    let slow = Live::start(&fleet, redis(&proxy.url()).feed_entries(10)).await;
    assert_eq!((slow.read(&fleet, 99).await, slow.read(&fleet, 99).await), (1, 1));
    proxy.set(Fault::Reset);
    slow.member.until("it noticed", |redis| redis.status().error.is_some()).await;
    // Among what is trimmed: one that is no fact, of which no table tells.
    fleet.edit(&one, 99);
    (0..60).for_each(|user| fleet.suspend(&one, user));
    one.replica.server.changes_kept().await;
    let kept: usize = server.ask(&["XLEN", FEED]).parse().unwrap();
    assert!(kept < 30, "{kept} of 61");
    proxy.set(Fault::None);
    fleet.all_agree(&[&one, &slow.member]).await;
    assert_eq!(slow.member.reconciles("fork") + slow.member.reconciles("gap"), 1, "{:?}", slow.member.redis.status());
    slow.is_asked_again(&fleet, 99, 1).await;
}

/// A replica whose session has ended for the regular comparison and that cannot connect again, and what it remembers of two
/// users.
async fn about_to_compare(fleet: &Fleet, proxy: &Proxy) -> Live {
    let live = Live::start(fleet, redis(&proxy.url()).reconcile_every(Duration::from_secs(1))).await;
    assert_eq!((live.read(fleet, 98).await, live.read(fleet, 99).await, live.read(fleet, 99).await), (1, 2, 2));
    proxy.set(Fault::Closed);
    live.member.until("the session ended", |redis| redis.status().error.is_some()).await;
    live
}

#[tokio::test]
async fn regular_comparison_leaves_out_nothing_that_was_published_before_it() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let proxy = Proxy::to(server.port).await;
    let one = fleet.join(redis(&server.url())).await;
    let two = about_to_compare(&fleet, &proxy).await;
    // One that is no fact, of which no table tells, and a fact: either makes stale what was remembered.
    fleet.edit(&one, 99);
    let earlier = now(&fleet.issuer) - Duration::from_secs(60);
    one.replica
        .entry()
        .apply_change(&Change::not_before(fleet.issuer.url(), About::subject(name(97)), earlier))
        .unwrap();
    one.replica.server.changes_kept().await;
    let compared = two.member.reconciles("regular");
    proxy.set(Fault::None);
    two.member.until("compared", |redis| redis.status().counts.reconciles["regular"] > compared).await;
    two.is_asked_again(&fleet, 99, 2).await;
    two.member.until("both applied", |redis| redis.status().counts.applied == 2).await;
    assert_eq!(two.read(&fleet, 98).await, 3, "the other user's are kept");
    assert_eq!(two.member.reconciles("fork") + two.member.reconciles("gap"), 0, "{:?}", two.member.redis.status());
}

#[tokio::test]
async fn regular_comparison_that_meets_another_table_forgets_what_was_cached() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let proxy = Proxy::to(server.port).await;
    let one = fleet.join(redis(&server.url())).await;
    let two = about_to_compare(&fleet, &proxy).await;
    fleet.edit(&one, 99);
    one.until("read back", |redis| redis.status().counts.applied == 1).await;
    server.ask(&["FLUSHALL"]);
    one.until("begun anew", |redis| redis.status().counts.reconciles["lost"] == 1).await;
    proxy.set(Fault::None);
    two.is_asked_again(&fleet, 99, 2).await;
    two.is_asked_again(&fleet, 98, 3).await;
    assert_eq!(two.member.reconciles("lost"), 1, "{:?}", two.member.redis.status());
}

#[tokio::test]
async fn entry_that_is_not_believed_counts_as_a_change_that_was_missed() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let one = Live::start(&fleet, redis(&server.url()).secrets(["a secret of at least thirty-two bytes"])).await;
    assert_eq!((one.read(&fleet, 99).await, one.read(&fleet, 99).await), (1, 1));
    let script = r#"
        local gen, seq, tip = unpack(redis.call('HMGET', KEYS[1], '#gen', '#seq', '#tip'))
        seq = seq + 1
        redis.call('XADD', KEYS[2], gen .. '-' .. seq, 'f', '', 'v', '7 AAAA ["i","everything"]', 'x', '00', 'p', tip)
        redis.call('HSET', KEYS[1], '#seq', seq, '#tip', '00')"#;
    server.ask(&["EVAL", script, "2", FACTS, FEED]);
    one.is_asked_again(&fleet, 99, 1).await;
    one.member.until("followed", |redis| redis.status().position == Some(1)).await;
    assert_eq!(one.member.reconciles("unbelieved"), 1, "{:?}", one.member.redis.status());
    // No row of the table is in doubt.
    assert_eq!(one.member.redis.status().error, None);
}

/// Whatever is remembered is dropped for each answer of the feed, and not for each entry of it.
#[tokio::test]
async fn many_entries_that_are_not_believed_count_as_few_changes_that_were_missed() {
    const ENTRIES: u64 = 300;
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (older, newer) = ("an older secret that has as many bytes", "a secret of at least thirty-two bytes");
    let old = Live::start(&fleet, redis(&server.url()).secrets([older])).await;
    let ahead = fleet.join(redis(&server.url()).secrets([newer])).await;
    let told = || old.source.1.load(Ordering::Relaxed);
    fleet.suspend(&ahead, 1);
    old.member.until("in doubt", |redis| redis.status().error.is_some_and(|error| error.contains("secret"))).await;
    old.member.until("told", |_| told() > 0).await;
    let before = told();
    (0..ENTRIES).for_each(|_| fleet.edit(&ahead, 99));
    old.member.until("read", |redis| redis.status().position == Some(1 + ENTRIES)).await;
    old.member.until("told", |_| told() > before).await;
    assert!(told() - before < 30, "{} for {ENTRIES} entries", told() - before);
}
