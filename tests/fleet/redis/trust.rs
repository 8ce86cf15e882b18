//! Rows that should not be there, and how many there may be.

use std::time::Duration;

use orgate::change::redis::{Redis, RedisState};
use orgate::change::{About, Change};

use super::fleet::{FACTS, Fleet, OLDER, SECRET, brief, clock as fleet_clock, name, redis, settle};
use super::proxy::{Fault, Proxy};
use super::server::Server;
use crate::support::now;

fn row(fleet: &Fleet, user: usize) -> String {
    format!("[\"{}\",\"suspension\",\"{}\"]", fleet.issuer.url(), name(user))
}

/// Since the Unix epoch.
fn milliseconds() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
}

#[tokio::test]
async fn wrong_mac_is_skipped_dropped_and_pushed_again() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let settings = || redis(&server.url()).secrets([SECRET]).reconcile_every(Duration::from_secs(1));
    let (one, two) = (fleet.join(settings()).await, fleet.join(settings()).await);
    fleet.suspend(&one, 1);
    fleet.all_agree(&[&one, &two]).await;
    // Who can write to Redis lifts the suspension, and suspends another one.
    let lifted = (2 * (milliseconds() + 5000)).to_string();
    server.ask(&[
        "HSET",
        FACTS,
        &row(&fleet, 1),
        &lifted,
        &row(&fleet, 2),
        &format!("{lifted} AAAAAAAAAAAAAAAAAAAAAA"),
    ]);
    let three = fleet.join(settings()).await;
    // Whoever compares first removes them.
    let members = [&one, &two, &three];
    one.until("refused", |_| members.iter().any(|member| member.redis.status().counts.refused_mac > 0)).await;
    fleet.all_agree(&[&one, &two]).await;
    for _ in 0..2000 {
        let value = server.ask(&["HGET", FACTS, &row(&fleet, 1)]);
        if value.contains(' ') && server.ask(&["HEXISTS", FACTS, &row(&fleet, 2)]) == "0" {
            fleet.agrees(&three).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the row is not put right: {}", server.ask(&["HGETALL", FACTS]));
}

/// In all replicas the new secret is first believed, then signs, and then is the only one.
#[tokio::test]
async fn key_rotation() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let settings = |secrets: &[&str]| {
        redis(&server.url()).secrets(secrets.iter().copied()).reconcile_every(Duration::from_secs(1))
    };
    let mut members = [fleet.join(settings(&[OLDER])).await, fleet.join(settings(&[OLDER])).await];
    let mut users = 0..;
    for step in [&[OLDER, SECRET][..], &[SECRET, OLDER], &[SECRET]] {
        for replaced in 0..2 {
            let new = fleet.join(settings(step)).await;
            let old = std::mem::replace(&mut members[replaced], new);
            assert_eq!(old.redis.status().counts.refused_mac, 0);
            old.replica.stop().await;
            for member in &members {
                fleet.suspend(member, users.next().unwrap());
            }
            fleet.all_agree(&[&members[0], &members[1]]).await;
        }
        for member in &members {
            // What the replicas before signed is signed anew.
            let compared = member.reconciles("regular");
            member.until("compared", |redis| redis.status().counts.reconciles["regular"] > compared + 1).await;
            assert_eq!(member.redis.status().counts.refused_mac, 0, "{step:?}");
        }
    }
    assert_eq!(users.start, 12);
}

/// It cannot tell a fact that is signed with a newer secret from one that was forged.
#[tokio::test]
async fn replica_that_lacks_the_secret_of_another_one_is_behind_and_removes_nothing() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let settings = |secrets: &[&str]| {
        brief(&server.url()).secrets(secrets.iter().copied()).reconcile_every(Duration::from_secs(1))
    };
    let old = fleet.join(settings(&[OLDER])).await;
    fleet.suspend(&old, 1);
    old.replica.server.changes_kept().await;
    let ahead = fleet.join(settings(&[SECRET, OLDER])).await;
    fleet.suspend(&ahead, 2);
    ahead.replica.server.changes_kept().await;
    old.becomes(RedisState::Behind).await;
    let late = fleet.start(settings(&[OLDER])).await;
    for member in [&old, &late] {
        let compared = member.reconciles("regular");
        member.until("compared", |redis| redis.status().counts.reconciles["regular"] > compared + 2).await;
        assert_eq!(member.replica.status(fleet.token(2)).await, 503, "{:?}", member.redis.status());
        assert!(member.redis.status().error.unwrap().contains("secret"));
    }
    let new = fleet.join(settings(&[SECRET])).await;
    fleet.agrees(&new).await;
    assert_eq!(new.redis.status().counts.refused_mac, 0);
    // Once they are signed with a secret that all of them have:
    for member in [ahead, new] {
        member.replica.stop().await;
    }
    let both = fleet.join(settings(&[OLDER, SECRET])).await;
    fleet.all_agree(&[&old, &late, &both]).await;
}

/// Its feed stands still, so it does not know yet that another replica published the row.
#[tokio::test]
async fn row_that_is_not_believed_stays_until_the_feed_was_read() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let proxy = Proxy::to(server.port).await;
    let old = redis(&proxy.url()).secrets([OLDER]).reconcile_every(Duration::from_secs(1));
    let old = fleet.join(old).await;
    let ahead = fleet.join(redis(&server.url()).secrets([SECRET, OLDER])).await;
    proxy.set(Fault::CutFeed);
    fleet.suspend(&ahead, 1);
    ahead.replica.server.changes_kept().await;
    let compared = old.reconciles("regular");
    old.until("compared", |redis| redis.status().counts.reconciles["regular"] > compared + 3).await;
    assert_eq!(server.ask(&["HEXISTS", FACTS, &row(&fleet, 1)]), "1");
    proxy.set(Fault::None);
    old.until("in doubt", |redis| redis.status().error.is_some_and(|error| error.contains("secret"))).await;
    assert_eq!(server.ask(&["HEXISTS", FACTS, &row(&fleet, 1)]), "1");
    assert_eq!(old.redis.status().counts.dropped, 0);
}

#[tokio::test]
async fn loss_that_is_not_signed_is_not_believed() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    server.ask(&["HSET", FACTS, "#lost", &(2 * milliseconds() + 2001).to_string()]);
    let one = fleet.join(redis(&server.url()).secrets([SECRET])).await;
    assert_eq!((one.replica.status(fleet.token(1)).await, one.redis.status().counts.refused_mac), (200, 1));
    let two = fleet.join(redis(&server.url())).await;
    assert_eq!(two.replica.status(fleet.token(1)).await, 200, "it was removed");
}

#[tokio::test]
async fn unknown_kind_is_counted() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    server.ask(&["HSET", FACTS, r#"["i","planet","x"]"#, "7", "no json", "7", r#"["i","subject","s"]"#, "seven"]);
    let one = fleet.join(redis(&server.url())).await;
    assert_eq!(one.redis.status().counts.refused_unknown, 3);
    fleet.suspend(&one, 1);
    fleet.agrees(&one).await;
}

#[tokio::test]
async fn two_fleets_in_one_redis_do_not_meet() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    server.ask(&["HSET", "{orgate:1:other}:facts", "#gen", "1700000000000", "#seq", "0", "#tip", "-", "#whole", "1"]);
    let one = fleet.join(redis(&server.url())).await;
    let other = Redis::builder(server.url(), "other").when_behind(orgate::change::redis::WhenBehind::Refuse);
    let other = fleet.join(other).await;
    fleet.suspend(&one, 1);
    fleet.agrees(&one).await;
    assert_eq!((other.replica.status(fleet.token(1)).await, other.redis.replicas()), (200, 1));
}

#[tokio::test]
async fn full_table_becomes_coarser() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let rank = (2 * milliseconds() + 1).to_string();
    for client in 0..20 {
        server.ask(&["HSET", FACTS, &format!("[\"{}\",\"client\",\"c{client}\"]", fleet.issuer.url()), &rank]);
    }
    let one = fleet.join(redis(&server.url()).max_rows(10)).await;
    let two = fleet.join(redis(&server.url())).await;
    let at = now(&fleet.issuer);
    one.replica.entry().apply_change(&Change::not_before(fleet.issuer.url(), About::subject(name(1)), at)).unwrap();
    // Elsewhere it rejects more, never less; a suspension stays what it is.
    two.replica.becomes(fleet.token(1), 401).await;
    assert_eq!(two.replica.status(fleet.token(2)).await, 401);
    one.replica.becomes(fleet.token(2), 401).await;
    fleet.suspend(&one, 3);
    one.replica.server.changes_kept().await;
    assert!(server.ask(&["HKEYS", FACTS]).contains("user_3"));
}

#[tokio::test]
async fn ended_rows_are_dropped_once() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let iss = fleet.issuer.url();
    let (ended, lifted) = (format!("[\"{iss}\",\"subject\",\"s\"]"), format!("[\"{iss}\",\"suspension\",\"s\"]"));
    server.ask(&["HSET", FACTS, &ended, "3400000000001", &lifted, "3400000000000", &row(&fleet, 1), "3400000000001"]);
    let one = fleet.join(redis(&server.url())).await;
    let two = fleet.join(redis(&server.url()).reconcile_every(Duration::from_secs(1))).await;
    two.until("looked again", |redis| redis.status().counts.reconciles["regular"] >= 2).await;
    assert_eq!(
        (one.redis.status().counts.dropped, two.redis.status().counts.dropped, two.redis.status().counts.pushed),
        (2, 0, 0)
    );
    assert_eq!(server.ask(&["HLEN", FACTS]), "6", "the suspension that holds, and the five of the table");
    assert_eq!(two.replica.status(fleet.token(1)).await, 401);
}

/// By a replica whose clock was wrong, or by whoever can write to Redis.
#[tokio::test]
async fn row_that_is_dated_ahead_is_lowered_once() {
    for secrets in [None, Some(SECRET)] {
        let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
        settle(&server);
        let clock = fleet_clock();
        let settings = || {
            let settings = redis(&server.url()).reconcile_every(Duration::from_secs(1));
            if let Some(secret) = secrets { settings.secrets([secret]) } else { settings }
        };
        let start = milliseconds();
        let ahead = fleet.join_at(&clock, settings()).await;
        // Its wall clock is wrong; what is current is measured by the other one.
        clock.set_wall(orgate::time::Clock::now(&clock).unix + Duration::from_secs(20 * 3600));
        let iss = fleet.issuer.url();
        let moment = std::time::SystemTime::now() + Duration::from_secs(20 * 3600);
        let suspended = Change::suspended(iss, name(1), moment);
        ahead.replica.entry().apply_change(&suspended).unwrap();
        ahead.replica.server.changes_kept().await;
        ahead.replica.stop().await;
        let rank = |user| {
            let value = server.ask(&["HGET", FACTS, &row(&fleet, user)]);
            value.split(' ').next().and_then(|rank| rank.parse::<u128>().ok()).unwrap_or(0) / 2
        };
        assert!(rank(1) > start + 19 * 3_600_000);
        if secrets.is_none() {
            // The end of the year 9999: a suspension, and the end of another one.
            server.ask(&["HSET", FACTS, &row(&fleet, 2), "506804601599999", &row(&fleet, 3), "506804601599998"]);
        }
        let one = fleet.join(settings()).await;
        one.until("looked twice", |redis| redis.status().counts.reconciles["regular"] >= 2).await;
        let lowered = [1, 2, 3].map(rank);
        assert_eq!(one.replica.status(fleet.token(1)).await, 401);
        assert_eq!(lowered[2], 0, "the end of a suspension is not believed");
        assert!(lowered.iter().all(|at| *at < milliseconds() + 300_001), "{lowered:?}");
        one.until("looked again", |redis| redis.status().counts.reconciles["regular"] >= 4).await;
        assert_eq!([1, 2, 3].map(rank), lowered, "once");
    }
}

#[tokio::test]
async fn hundred_thousand_rows() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let iss = fleet.issuer.url();
    let script = format!(
        "for i = 0, 99999 do redis.call('HSET', KEYS[1], '[\"{iss}\",\"suspension\",\"user_' .. i .. '\"]', '3400000000001') end"
    );
    server.ask(&["EVAL", &script, "1", FACTS]);
    let start = std::time::Instant::now();
    let one = fleet.join(redis(&server.url()).bound(Duration::from_secs(60))).await;
    let took = start.elapsed();
    println!("100,000 rows: current after {took:?}");
    // Less than two seconds with optimization, on a machine that is not busy.
    assert!(took < Duration::from_secs(60), "{took:?}");
    let bytes: u64 = server.ask(&["MEMORY", "USAGE", FACTS, "SAMPLES", "0"]).parse().unwrap();
    println!("bytes of the table: {bytes}");
    assert!(bytes < 20_000_000, "200 bytes a row are what the guide says: {bytes}");
    assert_eq!(one.replica.server.revocations().suspensions, 100_000);
    assert_eq!(one.replica.status(fleet.token(99)).await, 401);
}

/// No writer may make a replica hold more than its bound by filling the table.
#[tokio::test]
async fn rows_beyond_those_that_are_remembered_apply_and_are_removed_bit_by_bit() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    for user in 0..25 {
        server.ask(&["HSET", FACTS, &row(&fleet, user), "3400000000001"]);
    }
    let one = fleet.join(redis(&server.url()).max_rows(5)).await;
    assert_eq!(one.replica.server.revocations().suspensions, 25);
    // With a secret they are all of no use. Ten are remembered at a time.
    let settings = redis(&server.url()).max_rows(5).secrets([SECRET]).reconcile_every(Duration::from_secs(1));
    let two = fleet.join(settings).await;
    loop {
        let counts = two.redis.status().counts;
        let compared: u64 = counts.reconciles.values().sum();
        assert!(counts.dropped <= 10 * compared, "{counts:?}");
        if counts.dropped == 25 {
            break;
        }
        assert!(compared < 20, "{counts:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.ask(&["HLEN", FACTS]), "5", "the five of the table itself");
}
