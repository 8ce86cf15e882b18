//! What one replica hears, all enforce.

use std::time::{Duration, Instant};

use orgate::change::{About, Change};
use orgate::testing::{RoleType, TestTenant};
use orgate::time::SystemClock;

use super::fleet::{FACTS, FEED, Fleet, Member, clock, name, redis, settle};
use super::server::Server;
use crate::support::{Replica, builder, now};

#[tokio::test]
async fn webhook_reaches_every_replica() {
    let (server, tenant) = (Server::start(&[]).await, TestTenant::builder().clock(clock()).start().await);
    settle(&server);
    tenant.add_user("alice");
    let start = async || {
        let redis = redis(&server.url()).build().unwrap();
        let builder = builder(tenant.issuer()).clock(SystemClock::new()).change_log(redis.clone());
        let replica = Replica::start(builder, &tenant.signing_key()).await;
        replica.server.ready().await.unwrap();
        Member { replica, redis }
    };
    let (one, two, three) = (start().await, start().await, start().await);
    let token = tenant.issuer().resource_token(crate::support::API).subject("alice").mint();
    for member in [&one, &two, &three] {
        assert_eq!(member.replica.status(&token).await, 200);
    }
    _ = tenant.take_deliveries();
    tenant.suspend("alice");
    let start = Instant::now();
    for delivery in tenant.take_deliveries() {
        assert_eq!(one.replica.deliver(delivery).await, 200);
    }
    assert_eq!(one.replica.status(&token).await, 401);
    two.replica.becomes(&token, 401).await;
    three.replica.becomes(&token, 401).await;
    // 100 ms on a machine that is not busy. The next comparison with the table would be ten minutes later.
    println!("refused everywhere after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(server.ask(&["HKEYS", FACTS]).contains("alice"), "and it is in the table for those that start");
}

/// All that Redis holds, as the operator's tool prints it.
fn all_of(server: &Server) -> String {
    let keys = server.ask(&["KEYS", "*"]);
    let print = |key: &str| match &*server.ask(&["TYPE", key]) {
        "hash" => server.ask(&["HGETALL", key]),
        "stream" => server.ask(&["XRANGE", key, "-", "+"]),
        "zset" => server.ask(&["ZRANGE", key, "0", "-1", "WITHSCORES"]),
        "string" => server.ask(&["GET", key]),
        other => panic!("{key} is a {other}"),
    };
    keys.lines().map(|key| format!("{key}\n{}\n", print(key))).collect()
}

#[tokio::test]
async fn redis_holds_ids_and_moments_and_no_token_address_or_permission() {
    let (server, tenant) = (Server::start(&[]).await, TestTenant::builder().clock(clock()).start().await);
    settle(&server);
    let redis = redis(&server.url()).build().unwrap();
    let builder = builder(tenant.issuer()).clock(SystemClock::new()).change_log(redis.clone());
    let replica = Replica::start(builder, &tenant.signing_key()).await;
    replica.server.ready().await.unwrap();
    tenant.add_resource(crate::support::API, &["secret:permission"]);
    tenant.add_user("alice");
    tenant.add_role("admin-role", RoleType::User, crate::support::API, &["secret:permission"]);
    tenant.give_role("alice", "admin-role");
    tenant.add_organization("acme");
    tenant.add_member("acme", "alice");
    let token = tenant.issuer().resource_token(crate::support::API).subject("alice").scope("secret:permission").mint();
    assert_eq!(replica.status(&token).await, 200);
    tenant.suspend("alice");
    tenant.remove_member("acme", "alice");
    for delivery in tenant.take_deliveries() {
        assert_eq!(replica.deliver(delivery).await, 200);
    }
    let all = all_of(&server);
    assert!(all.contains("alice") && all.contains("acme"), "{all}");
    let parts = token.split('.').filter(|part| part.len() > 8);
    for other in parts.chain(["@example.com", "secret:permission", "admin-role"]) {
        assert!(!all.contains(other), "{other} in {all}");
    }
}

#[tokio::test]
async fn manual_revocation_too() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (one, two) = (fleet.join(redis(&server.url())).await, fleet.join(redis(&server.url())).await);
    fleet.revoke(&one, 3);
    fleet.revoke(&two, 4);
    fleet.all_agree(&[&one, &two]).await;
}

#[tokio::test]
async fn late_older_event_changes_nothing() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (one, two) = (fleet.join(redis(&server.url())).await, fleet.join(redis(&server.url())).await);
    fleet.suspend(&one, 1);
    fleet.restore(&one, 1);
    fleet.agrees(&two).await;
    let old = Change::suspended(fleet.issuer.url(), name(1), now(&fleet.issuer));
    two.replica.entry().apply_change(&old).unwrap();
    two.replica.server.changes_kept().await;
    // Another fact after it: by then the older one has been read, or it never was there.
    fleet.suspend(&two, 2);
    fleet.all_agree(&[&one, &two]).await;
    assert_eq!(server.ask(&["HGET", FACTS, "#seq"]), "3");
}

#[tokio::test]
async fn same_event_at_all_replicas_is_one_entry() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let members = [
        fleet.join(redis(&server.url())).await,
        fleet.join(redis(&server.url())).await,
        fleet.join(redis(&server.url())).await,
    ];
    let change = Change::suspended(fleet.issuer.url(), name(1), now(&fleet.issuer));
    for member in &members {
        member.replica.entry().apply_change(&change).unwrap();
        member.replica.server.changes_kept().await;
    }
    assert_eq!(server.ask(&["XLEN", FEED]), "1");
}

#[tokio::test]
async fn same_moment_stays_suspended() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (one, two) = (fleet.join(redis(&server.url())).await, fleet.join(redis(&server.url())).await);
    let at = now(&fleet.issuer);
    one.replica.entry().apply_change(&Change::suspended(fleet.issuer.url(), name(1), at)).unwrap();
    two.replica.becomes(fleet.token(1), 401).await;
    two.replica.entry().apply_change(&Change::restored(fleet.issuer.url(), name(1), at)).unwrap();
    two.replica.server.changes_kept().await;
    for member in [&one, &two] {
        assert_eq!(member.replica.status(fleet.token(1)).await, 401);
    }
}

#[tokio::test]
async fn edited_change_reaches_the_others_and_no_table() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (one, two) = (fleet.join(redis(&server.url())).await, fleet.join(redis(&server.url())).await);
    let change = Change::edited(fleet.issuer.url(), About::member("acme", name(1)), now(&fleet.issuer));
    one.replica.entry().apply_change(&change).unwrap();
    two.until("applied", |redis| redis.status().counts.applied == 1).await;
    assert_eq!(server.ask(&["HLEN", FACTS]), "5", "the five fields of the table itself");
}

#[tokio::test]
async fn fact_from_the_year_2100_is_rejected() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let one = fleet.join(redis(&server.url())).await;
    // A replica whose clock is wrong believes it.
    let clock = fleet.issuer.clock();
    let redis = redis(&server.url()).build().unwrap();
    let replica = Replica::plain(builder(&fleet.issuer).change_log(redis.clone())).await;
    replica.server.ready().await.unwrap();
    clock.advance(Duration::from_secs(75 * 365 * 24 * 60 * 60));
    let wrong = Member { replica, redis };
    let change = Change::suspended(fleet.issuer.url(), name(1), now(&fleet.issuer));
    wrong.replica.entry().apply_change(&change).unwrap();
    wrong.replica.server.changes_kept().await;
    assert_eq!(wrong.redis.status().counts.refused_future, 1);
    assert_eq!((server.ask(&["XLEN", FEED]), one.replica.status(fleet.token(1)).await), ("0".to_owned(), 200));
}

#[tokio::test]
async fn replicas_know_how_many_they_are() {
    let server = Server::start(&[]).await;
    let fleet = Fleet::new().await;
    settle(&server);
    let one = fleet.join(redis(&server.url())).await;
    assert_eq!(one.redis.replicas(), 1);
    let two = fleet.join(redis(&server.url())).await;
    one.until("two", |redis| redis.replicas() == 2).await;
    assert_eq!(two.redis.replicas(), 2);
}
