//! Redis loses something.

use std::time::Duration;

use orgate::change::redis::RedisState;

use super::fleet::{FACTS, FEED, Fleet, redis, settle};
use super::proxy::{Fault, Proxy};
use super::server::Server;

#[tokio::test]
async fn flushall_is_healed() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (one, two) = (fleet.join(redis(&server.url())).await, fleet.join(redis(&server.url())).await);
    (0..40).for_each(|user| fleet.suspend(&one, user));
    (40..60).for_each(|user| fleet.revoke(&two, user));
    fleet.all_agree(&[&one, &two]).await;
    server.ask(&["FLUSHALL"]);
    for member in [&one, &two] {
        member
            .until("another generation", |redis| redis.status().generation.is_some_and(|id| id != "1700000000000"))
            .await;
        assert_eq!(member.reconciles("lost"), 1);
    }
    fleet.suspend(&one, 70);
    fleet.all_agree(&[&one, &two]).await;
    let three = fleet.join(redis(&server.url())).await;
    fleet.agrees(&three).await;
}

#[tokio::test]
async fn deleted_feed() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (one, two) = (fleet.join(redis(&server.url())).await, fleet.join(redis(&server.url())).await);
    (0..10).for_each(|user| fleet.suspend(&one, user));
    fleet.all_agree(&[&one, &two]).await;
    server.ask(&["DEL", FEED]);
    (10..20).for_each(|user| fleet.suspend(&two, user));
    fleet.all_agree(&[&one, &two]).await;
    assert_eq!(server.ask(&["HGET", FACTS, "#seq"]), "20", "numbers go on");
}

#[tokio::test]
async fn deleted_row_comes_back() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let one = fleet.join(redis(&server.url()).reconcile_every(Duration::from_secs(1))).await;
    (0..10).for_each(|user| fleet.suspend(&one, user));
    one.replica.server.changes_kept().await;
    let row = format!("[\"{}\",\"suspension\",\"user_3\"]", fleet.issuer.url());
    assert_eq!(server.ask(&["HDEL", FACTS, &row]), "1");
    one.until("pushed", |redis| redis.status().counts.pushed == 1).await;
    assert_eq!(server.ask(&["HEXISTS", FACTS, &row]), "1");
    let two = fleet.join(redis(&server.url())).await;
    fleet.agrees(&two).await;
}

#[tokio::test]
async fn restart_without_persistence() {
    let (mut server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (one, two) = (fleet.join(redis(&server.url())).await, fleet.join(redis(&server.url())).await);
    (0..30).for_each(|user| fleet.suspend(&one, user));
    fleet.all_agree(&[&one, &two]).await;
    server.kill();
    // A change while it is away: applied here, published later.
    fleet.suspend(&two, 50);
    server.run().await;
    fleet.all_agree(&[&one, &two]).await;
    let three = fleet.join(redis(&server.url())).await;
    fleet.agrees(&three).await;
}

/// A server goes back to what it had saved, and the replicas that were connected put back what is missing.
#[tokio::test]
async fn restart_from_older_rdb() {
    let (mut server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (one, two) = (fleet.join(redis(&server.url())).await, fleet.join(redis(&server.url())).await);
    (0..10).for_each(|user| fleet.suspend(&one, user));
    fleet.all_agree(&[&one, &two]).await;
    server.ask(&["SAVE"]);
    (10..30).for_each(|user| fleet.suspend(&one, user));
    fleet.all_agree(&[&one, &two]).await;
    server.kill();
    server.run().await;
    one.until("fork found", |redis| redis.status().counts.reconciles["fork"] > 0).await;
    one.becomes(RedisState::Current).await;
    let three = fleet.join(redis(&server.url())).await;
    fleet.all_agree(&[&one, &two, &three]).await;
}

/// The entries that were lost are soon overtaken by others of the same numbers.
#[tokio::test]
async fn fork_overtaken_by_new_entries() {
    let (mut server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let proxy = Proxy::to(server.port).await;
    let (one, away) = (fleet.join(redis(&server.url())).await, fleet.join(redis(&proxy.url())).await);
    (0..10).for_each(|user| fleet.suspend(&one, user));
    fleet.all_agree(&[&one, &away]).await;
    server.ask(&["SAVE"]);
    // Known to the one that is away only: whoever published it is gone.
    (10..15).for_each(|user| fleet.suspend(&away, user));
    away.replica.server.changes_kept().await;
    away.until("read back", |redis| redis.status().unconfirmed == 0).await;
    proxy.set(Fault::Reset);
    drop(one);
    server.kill();
    server.run().await;
    let two = fleet.join(redis(&server.url())).await;
    (20..40).for_each(|user| fleet.suspend(&two, user));
    two.replica.server.changes_kept().await;
    proxy.set(Fault::None);
    fleet.all_agree(&[&two, &away]).await;
    assert_eq!(away.reconciles("fork"), 1);
}

/// Acknowledged, and lost before anybody has read it: who published it publishes it again.
#[tokio::test]
async fn primary_dies_after_ok() {
    let (mut server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let proxy = Proxy::to(server.port).await;
    let one = fleet.join(redis(&proxy.url())).await;
    (0..5).for_each(|user| fleet.suspend(&one, user));
    one.until("read back", |redis| redis.status().position == Some(5) && redis.status().unconfirmed == 0).await;
    server.ask(&["SAVE"]);
    proxy.set(Fault::CutFeed);
    fleet.suspend(&one, 6);
    one.replica.server.changes_kept().await;
    assert_eq!((one.redis.status().unconfirmed, one.redis.status().position), (1, Some(5)));
    assert!(server.ask(&["HKEYS", FACTS]).contains("user_6"), "Redis has said that it has it");
    server.kill();
    proxy.set(Fault::Reset);
    one.until("it noticed", |redis| redis.status().error.is_some()).await;
    server.run().await;
    assert!(!server.ask(&["HKEYS", FACTS]).contains("user_6"), "and has lost it");
    assert_eq!(one.redis.status().position, Some(5), "it was not read");
    proxy.set(Fault::None);
    one.until("again there", |redis| redis.status().unconfirmed == 0 && redis.status().position == Some(6)).await;
    assert_eq!(server.ask(&["HGET", FACTS, "#seq"]), "6");
    // Nothing of the feed is another than before, so no comparison has put it back.
    let reconciles = one.redis.status().counts.reconciles;
    assert_eq!(reconciles.values().sum::<u64>(), reconciles["start"], "{reconciles:?}");
    let two = fleet.join(redis(&server.url())).await;
    fleet.agrees(&two).await;
}
