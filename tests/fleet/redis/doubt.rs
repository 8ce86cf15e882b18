//! A replica that does not believe what the table holds, and loses the table.

use std::time::{Duration, UNIX_EPOCH};

use orgate::change::redis::{RedisBuilder, RedisState};
use orgate::change::{About, Change};

use super::fleet::{FACTS, Fleet, Member, OLDER, SECRET, brief, name, settle};
use super::proxy::{Fault, Proxy};
use super::server::Server;
use crate::support::now;

fn settings(url: &str, secrets: &[&str]) -> RedisBuilder {
    brief(url).secrets(secrets.iter().copied()).reconcile_every(Duration::from_secs(1))
}

async fn is_in_doubt(member: &Member) {
    member.until("in doubt", |redis| redis.status().error.is_some_and(|error| error.contains("secret"))).await;
}

/// Asks until the token is rejected. It is never accepted meanwhile.
async fn is_rejected(member: &Member, token: &str) {
    for _ in 0..6000 {
        match member.replica.status(token).await {
            401 => return,
            status => assert_eq!(status, 503, "{:?}", member.redis.status()),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it is never current: {:?}", member.redis.status());
}

fn has(server: &Server, field: &str) -> bool {
    server.ask(&["HEXISTS", FACTS, field]) == "1"
}

/// Its place in the feed shows nothing about what was true.
#[tokio::test]
async fn table_that_is_lost_before_a_replica_has_believed_it_counts_as_lost() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let old = fleet.join(settings(&server.url(), &[OLDER])).await;
    fleet.suspend(&old, 1);
    old.replica.server.changes_kept().await;
    old.replica.stop().await;
    let new = fleet.start(settings(&server.url(), &[SECRET])).await;
    is_in_doubt(&new).await;
    assert_eq!(new.replica.status(fleet.token(1)).await, 503);
    server.ask(&["FLUSHALL"]);
    is_rejected(&new, fleet.token(1)).await;
    assert!(has(&server, "#lost"));
    let later = fleet.join(settings(&server.url(), &[SECRET])).await;
    is_rejected(&later, fleet.token(1)).await;
}

/// It was current until another one published what it does not believe. Then the table is lost, or goes back to what it was
/// before that.
async fn doubting_replica_loses_the_table(goes_back: bool, is_other_alive: bool) {
    let (mut server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let old = fleet.join(settings(&server.url(), &[OLDER])).await;
    let ahead = fleet.join(settings(&server.url(), &[SECRET, OLDER])).await;
    server.ask(&["SAVE"]);
    fleet.suspend(&ahead, 2);
    ahead.replica.server.changes_kept().await;
    is_in_doubt(&old).await;
    old.becomes(RedisState::Behind).await;
    let mut ahead = Some(ahead);
    if !is_other_alive && let Some(ahead) = ahead.take() {
        ahead.replica.stop().await;
    }
    if goes_back {
        server.kill();
        server.run().await;
    } else {
        server.ask(&["FLUSHALL"]);
    }
    let cause = if goes_back { "fork" } else { "lost" };
    old.until("found", |redis| redis.status().counts.reconciles[cause] > 0).await;
    let Some(ahead) = ahead else {
        is_rejected(&old, fleet.token(2)).await;
        assert!(has(&server, "#lost"));
        return;
    };
    // Longer than others are waited for.
    let compared = old.reconciles("regular");
    old.until("compared", |redis| redis.status().counts.reconciles["regular"] > compared + 9).await;
    assert_eq!(old.replica.status(fleet.token(2)).await, 503, "{:?}", old.redis.status());
    ahead.replica.becomes(fleet.token(3), 200).await;
    let row = format!("[\"{}\",\"suspension\",\"{}\"]", fleet.issuer.url(), name(2));
    assert_eq!((has(&server, "#lost"), has(&server, &row)), (false, true), "it was put back");
}

#[tokio::test]
async fn table_that_is_lost_while_the_only_replica_is_in_doubt_counts_as_lost() {
    doubting_replica_loses_the_table(false, false).await;
}

#[tokio::test]
async fn table_that_goes_back_while_the_only_replica_is_in_doubt_counts_as_lost() {
    doubting_replica_loses_the_table(true, false).await;
}

/// The other row that it does not believe is still there.
#[tokio::test]
async fn table_that_goes_back_in_part_while_the_only_replica_is_in_doubt_counts_as_lost() {
    let (mut server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let old = fleet.join(settings(&server.url(), &[OLDER])).await;
    let ahead = fleet.join(settings(&server.url(), &[SECRET, OLDER])).await;
    fleet.suspend(&ahead, 1);
    ahead.replica.server.changes_kept().await;
    server.ask(&["SAVE"]);
    fleet.suspend(&ahead, 2);
    ahead.replica.server.changes_kept().await;
    is_in_doubt(&old).await;
    old.until("read", |redis| redis.status().position == Some(2)).await;
    old.becomes(RedisState::Behind).await;
    ahead.replica.stop().await;
    server.kill();
    server.run().await;
    old.until("concluded", |_| has(&server, "#lost")).await;
    assert_eq!(old.replica.status(fleet.token(2)).await, 503, "{:?}", old.redis.status());
    let both = fleet.join(settings(&server.url(), &[OLDER, SECRET])).await;
    for member in [&old, &both] {
        is_rejected(member, fleet.token(2)).await;
    }
}

#[tokio::test]
async fn table_that_another_replica_puts_back_is_not_lost_and_stays_in_doubt() {
    doubting_replica_loses_the_table(false, true).await;
}

#[tokio::test]
async fn table_that_goes_back_and_is_healed_by_another_replica_is_not_lost_and_stays_in_doubt() {
    doubting_replica_loses_the_table(true, true).await;
}

/// What another replica puts back lacks the milliseconds.
#[tokio::test]
async fn table_that_goes_back_and_was_healed_before_a_doubting_replica_looks_is_not_lost() {
    let (mut server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let proxy = Proxy::to(server.port).await;
    let old = fleet.join(settings(&proxy.url(), &[OLDER])).await;
    let ahead = fleet.join(settings(&server.url(), &[SECRET, OLDER])).await;
    server.ask(&["SAVE"]);
    let second = Duration::from_secs(now(&fleet.issuer).duration_since(UNIX_EPOCH).unwrap().as_secs());
    let moment = UNIX_EPOCH + second + Duration::from_millis(123);
    let change = Change::not_before(fleet.issuer.url(), About::subject(name(2)), moment);
    ahead.replica.entry().apply_change(&change).unwrap();
    ahead.replica.server.changes_kept().await;
    is_in_doubt(&old).await;
    old.becomes(RedisState::Behind).await;
    proxy.set(Fault::Reset);
    let rows = server.ask(&["HLEN", FACTS]);
    server.kill();
    server.run().await;
    ahead.until("put back", |_| server.ask(&["HLEN", FACTS]) == rows).await;
    proxy.set(Fault::None);
    old.until("found", |redis| redis.status().counts.reconciles["fork"] > 0).await;
    let compared = old.reconciles("regular");
    old.until("compared", |redis| redis.status().counts.reconciles["regular"] > compared + 9).await;
    assert!(!has(&server, "#lost"));
}
