//! Replicas that start.

use std::sync::Arc;
use std::time::Duration;

use orgate::change::redis::{AfterLoss, RedisState, WhenBehind};
use orgate::change::{Change, Fact, Facts, Log as _, Update};

use orgate::Issuer;
use orgate::testing::TestIssuer;
use orgate::time::{Clock as _, Now, SystemClock};

use super::fleet::{FACTS, Fleet, clock, name, redis, settle};
use super::server::Server;
use crate::support::{API, Directory, Replica, now};

#[tokio::test]
async fn start_loads_before_it_serves() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let one = fleet.join(redis(&server.url())).await;
    fleet.suspend(&one, 1);
    fleet.revoke(&one, 2);
    one.replica.server.changes_kept().await;
    // The very first answers: 503, or what the fleet knows.
    let settings = redis(&server.url()).build().unwrap();
    let two = Replica::plain(fleet.builder().change_log(settings)).await;
    for _ in 0..200 {
        let status = two.status(fleet.token(1)).await;
        assert!(matches!(status, 503 | 401), "{status}");
        if status == 401 {
            break;
        }
    }
    two.becomes(fleet.token(2), 401).await;
    two.becomes(fleet.token(3), 200).await;
}

#[tokio::test]
async fn start_without_redis() {
    let (mut server, fleet) = (Server::stopped(&[]), Fleet::new().await);
    let refusing = fleet.start(redis(&server.url())).await;
    let going_on = fleet.start(redis(&server.url()).when_behind(WhenBehind::GoOn)).await;
    for _ in 0..5 {
        assert_eq!(refusing.replica.get(fleet.token(1)).await, (503, "retry".to_owned()));
        assert_eq!(going_on.replica.status(fleet.token(1)).await, 503, "before the first load always");
    }
    assert!(going_on.replica.server.ready().await.is_err());
    server.run().await;
    settle(&server);
    refusing.becomes(RedisState::Current).await;
    going_on.becomes(RedisState::Current).await;
    assert_eq!(
        (refusing.replica.status(fleet.token(1)).await, going_on.replica.status(fleet.token(1)).await),
        (200, 200)
    );
    going_on.replica.server.ready().await.unwrap();
}

#[tokio::test]
async fn start_without_redis_and_with_a_file_follows_the_policy() {
    let (server, fleet, directory) = (Server::stopped(&[]), Fleet::new().await, Directory::new());
    let path = directory.path("changes");
    let alone = Replica::plain(fleet.builder().change_file(&*path)).await;
    alone.entry().apply_change(&Change::suspended(fleet.issuer.url(), name(1), now(&fleet.issuer))).unwrap();
    alone.server.changes_kept().await;
    alone.stop_and_close(&path).await;
    let settings = redis(&server.url()).when_behind(WhenBehind::GoOn).build().unwrap();
    let going_on = Replica::plain(fleet.builder().change_log(settings).change_file(&*path)).await;
    assert_eq!((going_on.status(fleet.token(1)).await, going_on.status(fleet.token(2)).await), (401, 200));
    assert!(going_on.server.ready().await.is_err(), "it is not current");
    going_on.stop_and_close(&path).await;
    let settings = redis(&server.url()).build().unwrap();
    let refusing = Replica::plain(fleet.builder().change_log(settings).change_file(&*path)).await;
    assert_eq!(refusing.status(fleet.token(2)).await, 503);
}

#[tokio::test]
async fn restart_of_everything_forgets_nothing_with_files() {
    let (mut server, mut fleet, directory) = (Server::start(&[]).await, Fleet::new().await, Directory::new());
    settle(&server);
    let paths = [directory.path("one"), directory.path("two")];
    let start = async |fleet: &Fleet, server: &Server, path: &std::path::Path| {
        let redis = redis(&server.url()).build().unwrap();
        let replica = Replica::plain(fleet.builder().change_log(redis.clone()).change_file(path)).await;
        _ = replica.server.ready().await;
        super::fleet::Member { replica, redis }
    };
    let (one, two) = (start(&fleet, &server, &paths[0]).await, start(&fleet, &server, &paths[1]).await);
    (0..20).for_each(|user| fleet.suspend(&one, user));
    fleet.revoke(&two, 30);
    fleet.all_agree(&[&one, &two]).await;
    for (member, path) in [one, two].into_iter().zip(&paths) {
        // What came from Redis is in the file too.
        member.replica.server.changes_kept().await;
        member.replica.stop_and_close(path).await;
    }
    server.kill();
    server.run().await;
    assert_eq!(server.ask(&["EXISTS", FACTS]), "0");
    // Only the second comes back: its file has what the first heard.
    let two = start(&fleet, &server, &paths[1]).await;
    two.becomes(RedisState::Current).await;
    fleet.agrees(&two).await;
    let three = fleet.join(redis(&server.url())).await;
    fleet.agrees(&three).await;
}

#[tokio::test]
async fn flushall_with_a_replica_starting() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let one = fleet.join(redis(&server.url())).await;
    (0..50).for_each(|user| fleet.suspend(&one, user));
    one.replica.server.changes_kept().await;
    server.ask(&["FLUSHALL"]);
    let two = fleet.start(redis(&server.url())).await;
    two.becomes(RedisState::Current).await;
    assert_eq!(fleet.differences(&two).await, [], "once it is current it knows the union");
}

#[tokio::test]
async fn empty_store_and_nobody_alive() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    let refusing = fleet.start(redis(&server.url())).await;
    assert_eq!(refusing.replica.status(fleet.token(1)).await, 503, "others may still push what they know");
    refusing.becomes(RedisState::Current).await;
    // Whoever was revoked before is not known any more: tokens of before are rejected, each client renews once.
    refusing.replica.becomes(fleet.token(1), 401).await;
    assert!(server.ask(&["HKEYS", FACTS]).contains("everyone"));
    let other = Server::start(&[]).await;
    let going_on = fleet.start(redis(&other.url()).after_loss(AfterLoss::GoOn)).await;
    going_on.becomes(RedisState::Current).await;
    assert_eq!(going_on.replica.status(fleet.token(1)).await, 200);
}

/// What was known of its tokens was in the table that was lost, too.
#[tokio::test]
async fn issuer_that_is_added_after_a_loss_has_its_older_tokens_rejected() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    let later = TestIssuer::builder().clock(clock()).start().await;
    let mint = || later.resource_token(API).subject("s").mint();
    let older = mint();
    let one = fleet.join(redis(&server.url())).await;
    one.replica.becomes(fleet.token(1), 401).await;
    one.replica.server.add_issuer(Issuer::new(later.url())).unwrap();
    assert_eq!(one.replica.status(&older).await, 401);
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    later.clock().set_wall(since_epoch + Duration::from_secs(2));
    assert_eq!(one.replica.status(&mint()).await, 200);
    let first = || Issuer::new(fleet.issuer.url());
    one.replica.server.set_issuers([first()]).unwrap();
    one.replica.server.set_issuers([first(), Issuer::new(later.url())]).unwrap();
    assert_eq!((one.replica.status(&older).await, one.replica.status(&mint()).await), (401, 200));

    // A replica that has both from its start, and no other one that knows of the loss.
    one.replica.stop().await;
    let lost = server.ask(&["HGET", FACTS, "#lost"]);
    let two = fleet.start_as(fleet.builder().issuer(later.url()), redis(&server.url())).await;
    loop {
        match two.replica.status(&older).await {
            401 => break,
            status => assert_eq!(status, 503, "not current yet"),
        }
    }
    two.replica.becomes(&mint(), 200).await;

    // It is put back like any fact.
    server.ask(&["FLUSHALL"]);
    two.until("begun anew", |redis| redis.status().counts.reconciles["lost"] == 1).await;
    two.until("put back", |_| server.ask(&["HGET", FACTS, "#lost"]) == lost).await;
}

#[tokio::test]
async fn loss_is_forgotten_once_no_token_of_before_is_alive() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    server.ask(&["HSET", FACTS, "#lost", "3400000000001"]);
    let one = fleet.join(redis(&server.url()).reconcile_every(Duration::from_secs(1))).await;
    one.until("compared", |redis| redis.status().counts.reconciles["regular"] >= 2).await;
    assert_eq!((one.redis.status().counts.dropped, one.redis.status().counts.pushed), (1, 0));
    assert_eq!(server.ask(&["HEXISTS", FACTS, "#lost"]), "0");
    assert_eq!(one.replica.status(fleet.token(1)).await, 200);
}

#[tokio::test]
async fn empty_store_and_a_whole_fleet_that_starts() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    let (one, two) = tokio::join!(fleet.start(redis(&server.url())), fleet.start(redis(&server.url())));
    // Neither knows what was revoked before, and neither may take the other for one that does.
    for member in [&one, &two] {
        member.becomes(RedisState::Current).await;
        member.replica.becomes(fleet.token(1), 401).await;
    }
}

/// A change that is heard while everybody still waits for those who know shows nothing about what was before.
#[tokio::test]
async fn empty_store_and_a_change_that_a_starting_fleet_receives() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    let (one, two) = tokio::join!(fleet.start(redis(&server.url())), fleet.start(redis(&server.url())));
    fleet.suspend(&one, 1);
    one.replica.server.changes_kept().await;
    for member in [&one, &two] {
        member.becomes(RedisState::Current).await;
        member.replica.becomes(fleet.token(2), 401).await;
    }
}

/// Whoever began the generation was gone before it was known whether others know more.
#[tokio::test]
async fn table_that_nobody_joined_who_knew_more_is_taken_for_lost_however_old_it_is() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    server.ask(&["HSET", FACTS, "#gen", "1700000000000", "#seq", "0", "#tip", "-"]);
    let one = fleet.join(redis(&server.url())).await;
    one.replica.becomes(fleet.token(1), 401).await;
    let two = fleet.join(redis(&server.url())).await;
    two.replica.becomes(fleet.token(1), 401).await;
    assert_eq!(
        (server.ask(&["HGET", FACTS, "#seq"]), server.ask(&["HGET", FACTS, "#whole"])),
        ("2".into(), "1".into()),
        "the loss, and what it means for the one issuer: the second replica found that it was concluded"
    );
}

/// A server that holds nothing.
struct Nothing(SystemClock);

impl Facts for Nothing {
    fn each(&self, _: &mut dyn FnMut(&Fact)) {}

    fn now(&self) -> Now {
        self.0.now()
    }
}

#[tokio::test]
async fn what_was_cached_before_the_first_load_is_stale_where_requests_were_judged() {
    let server = Server::start(&[]).await;
    settle(&server);
    for (policy, is_stale) in [(WhenBehind::GoOn, true), (WhenBehind::Refuse, false)] {
        let log = redis(&server.url()).when_behind(policy).build().unwrap();
        let mut updates = log.follow(Arc::new(Nothing(SystemClock::new())));
        let mut told = Vec::new();
        loop {
            match updates.next().await.unwrap() {
                Update::Current { .. } => break,
                update => told.push(update),
            }
        }
        assert_eq!(told.contains(&Update::Gap), is_stale, "{policy:?}: {told:?}");
    }
}
