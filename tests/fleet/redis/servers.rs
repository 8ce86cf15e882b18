//! What goes on at the server.

use std::time::Duration;

use orgate::change::redis::{Redis, RedisState, WhenBehind};

use super::fleet::{BRIEF, FACTS, FEED, FLEET, Fleet, brief, clock, name, redis, settle};
use super::proxy::{Fault, Proxy};
use super::server::{Server, free_port};
use crate::support::Directory;

#[tokio::test]
async fn hung_server() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    // It stands still but for this test: what is known is as old as it is turned.
    let clock = clock();
    let (one, two) =
        (fleet.join_at(&clock, brief(&server.url())).await, fleet.join_at(&clock, brief(&server.url())).await);
    let states = || (one.redis.status().state, two.redis.status().state);
    server.signal("STOP");
    clock.advance(BRIEF - Duration::from_millis(1));
    assert_eq!(states(), (RedisState::Current, RedisState::Current));
    clock.advance(Duration::from_millis(1));
    assert_eq!(states(), (RedisState::Behind, RedisState::Behind));
    assert_eq!(one.replica.status(fleet.token(1)).await, 503);
    server.signal("CONT");
    fleet.suspend(&one, 1);
    fleet.all_agree(&[&one, &two]).await;
}

#[tokio::test]
async fn oom_keeps_pending() {
    let (server, mut fleet) = (Server::start(&["--maxmemory-policy", "noeviction"]).await, Fleet::new().await);
    settle(&server);
    let (one, two) = (fleet.join(redis(&server.url())).await, fleet.join(redis(&server.url())).await);
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    fleet.suspend(&one, 1);
    one.until("refused", |redis| redis.status().counts.errors["out_of_memory"] > 0).await;
    assert_eq!(one.replica.status(fleet.token(1)).await, 401);
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    fleet.all_agree(&[&one, &two]).await;
    assert!(one.replica.server.change_log().unwrap().pending == 0);
}

#[tokio::test]
async fn noperm_says_which_command() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    server.ask(&[
        "ACL",
        "SETUSER",
        "orgate",
        "on",
        ">secret",
        "~{orgate:1:shop}:*",
        "-@all",
        "+script|load",
        "+select",
        "+hello",
        "+auth",
    ]);
    let url = server.url().replace("//", "//orgate:secret@");
    let one = fleet.start(redis(&url)).await;
    one.until("an error", |redis| redis.status().counts.errors["no_permission"] > 0).await;
    let error = one.redis.status().error.unwrap();
    assert!(error.contains("eval"), "{error}");
}

#[tokio::test]
async fn wrong_password_or_ca() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    let url = server.url().replace("//", "//orgate:wrong@");
    let one = fleet.start(redis(&url)).await;
    one.until("an error", |redis| redis.status().counts.errors["credentials"] > 0).await;
    let error = one.redis.status().error.unwrap();
    assert!(!error.contains("wrong@"), "{error}");
    let before = one.redis.status().counts.errors["credentials"];
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let attempts = one.redis.status().counts.errors["credentials"] - before;
    assert!(attempts < 12, "{attempts} attempts: it backs off");
}

#[tokio::test]
async fn demoted_primary_answers_readonly() {
    let (old, new, mut fleet) = (Server::start(&[]).await, Server::start(&[]).await, Fleet::new().await);
    settle(&old);
    let proxy = Proxy::to(old.port).await;
    let one = fleet.join(redis(&proxy.url())).await;
    fleet.suspend(&one, 1);
    one.replica.server.changes_kept().await;
    old.ask(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]);
    one.until("read-only", |redis| redis.status().counts.errors["read_only"] > 0).await;
    old.ask(&["REPLICAOF", "NO", "ONE"]);
    one.until("it heals what the other primary did not have", |redis| {
        redis.status().state == RedisState::Current && redis.status().error.is_none()
    })
    .await;
    let two = fleet.join(redis(&old.url())).await;
    fleet.all_agree(&[&one, &two]).await;
}

#[tokio::test]
async fn split_brain_with_copies() {
    let (primary, copy, fleet) = (Server::start(&[]).await, Server::start(&[]).await, Fleet::new().await);
    settle(&primary);
    copy.ask(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    let one = fleet.join(brief(&primary.url()).copies(1)).await;
    // The copy goes its own way: what the old primary says is worth nothing any more.
    copy.ask(&["REPLICAOF", "NO", "ONE"]);
    one.becomes(RedisState::Behind).await;
    assert_eq!(one.replica.status(fleet.token(1)).await, 503);
    copy.ask(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    one.becomes(RedisState::Current).await;
    assert!(server_has(&primary), "the table is there");
}

/// Each is behind without it, and goes on all the same: after regular comparisons, and over new connections.
#[tokio::test]
async fn copy_that_is_away_keeps_no_replica_from_publishing_and_reading() {
    let (primary, copy, mut fleet) = (Server::start(&[]).await, Server::start(&[]).await, Fleet::new().await);
    settle(&primary);
    copy.ask(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    let settings = |url: &str| {
        let settings = redis(url).copies(1).when_behind(WhenBehind::GoOn);
        settings.reconcile_every(Duration::from_secs(1))
    };
    let proxy = Proxy::to(primary.port).await;
    let (one, two) = (fleet.join(settings(&proxy.url())).await, fleet.join(settings(&primary.url())).await);
    copy.ask(&["REPLICAOF", "NO", "ONE"]);
    for member in [&one, &two] {
        member.until("too few", |redis| redis.status().counts.errors["no_replicas"] > 0).await;
        let compared = member.reconciles("regular");
        member.until("compared", |redis| redis.status().counts.reconciles["regular"] > compared + 1).await;
    }
    // More than one attempt takes wait for the copy.
    for _ in 0..300 {
        fleet.edit(&one, 90);
    }
    fleet.suspend(&one, 1);
    two.replica.becomes(fleet.token(1), 401).await;
    // What was written and not read back is written again.
    proxy.set(Fault::CutFeed);
    fleet.suspend(&one, 2);
    two.replica.becomes(fleet.token(2), 401).await;
    one.until("not read back", |redis| redis.status().unconfirmed > 0).await;
    let errors = one.redis.status().counts.errors["connection"];
    proxy.set(Fault::Reset);
    one.until("it noticed", |redis| redis.status().counts.errors["connection"] > errors).await;
    assert!(one.redis.status().unconfirmed > 0);
    proxy.set(Fault::None);
    fleet.suspend(&two, 3);
    one.replica.becomes(fleet.token(3), 401).await;
    assert_eq!(one.reconciles("fork"), 0, "{:?}", one.redis.status());
}

/// It has no room for beats. What it had room for before is read.
#[tokio::test]
async fn full_server_keeps_no_replica_from_reading() {
    let (server, fleet) = (Server::start(&["--maxmemory-policy", "noeviction"]).await, Fleet::new().await);
    settle(&server);
    let settings = redis(&server.url()).when_behind(WhenBehind::GoOn).reconcile_every(Duration::from_secs(1));
    let one = fleet.join(settings).await;
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    one.until("no room", |redis| redis.status().counts.errors["out_of_memory"] > 0).await;
    let compared = one.reconciles("regular");
    one.until("compared", |redis| redis.status().counts.reconciles["regular"] > compared + 1).await;
    assert_eq!(one.replica.status(fleet.token(1)).await, 200);
    let script = "#!lua flags=allow-oom
        local gen, seq, tip = unpack(redis.call('HMGET', KEYS[1], '#gen', '#seq', '#tip'))
        seq = seq + 1
        redis.call('XADD', KEYS[2], gen .. '-' .. seq, 'f', ARGV[1], 'v', ARGV[2], 'x', '00', 'p', tip)
        redis.call('HSET', KEYS[1], '#seq', seq, '#tip', '00')";
    let row = format!("[\"{}\",\"suspension\",\"{}\"]", fleet.issuer.url(), name(1));
    server.ask(&["EVAL", script, "2", FACTS, FEED, &row, "3400000000001"]);
    one.replica.becomes(fleet.token(1), 401).await;
}

fn server_has(server: &Server) -> bool {
    server.ask(&["EXISTS", FACTS]) == "1"
}

#[tokio::test]
async fn sentinel_failover() {
    let (mut primary, copy, mut fleet) = (Server::start(&[]).await, Server::start(&[]).await, Fleet::new().await);
    settle(&primary);
    copy.ask(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    let directory = Directory::new();
    let ports = [free_port(), free_port(), free_port()];
    let mut sentinels = Vec::new();
    for port in ports {
        let config = directory.path(&format!("{port}.conf"));
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor shop 127.0.0.1 {} 2\nsentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 3000\n",
            primary.port
        );
        std::fs::write(&config, text).unwrap();
        let program = std::env::var("ORGATE_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        sentinels.push(Sentinel(
            std::process::Command::new(program)
                .arg(&config)
                .arg("--sentinel")
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap(),
        ));
    }
    let settings = || {
        Redis::builder(format!("redis://127.0.0.1:{}", ports[0]), FLEET)
            .sentinel("shop", "redis://-", [format!("redis://127.0.0.1:{}", ports[1])])
            .when_behind(WhenBehind::Refuse)
            .beat(Duration::from_millis(200))
            .bound(Duration::from_secs(20))
    };
    // They have found each other and the copy.
    for _ in 0..1000 {
        let known = std::process::Command::new("redis-cli")
            .args(["-p", &ports[0].to_string(), "SENTINEL", "CKQUORUM", "shop"])
            .output()
            .unwrap();
        if String::from_utf8_lossy(&known.stdout).contains("3 usable") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (one, two) = (fleet.join(settings()).await, fleet.join(settings()).await);
    (0..20).for_each(|user| fleet.suspend(&one, user));
    fleet.all_agree(&[&one, &two]).await;
    primary.kill();
    fleet.suspend(&two, 50);
    for _ in 0..2000 {
        assert_ne!(one.replica.status(fleet.token(60)).await, 503, "the bound is longer than a fail-over");
        if copy.ask(&["ROLE"]).starts_with("master") && one.redis.status().error.is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fleet.all_agree(&[&one, &two]).await;
    assert!(copy.ask(&["HKEYS", FACTS]).contains("user_50"), "published at the new primary");
}

struct Sentinel(std::process::Child);

impl Drop for Sentinel {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[tokio::test]
async fn cluster_is_a_clear_error() {
    let (server, fleet) = (Server::start(&["--cluster-enabled", "yes"]).await, Fleet::new().await);
    let one = fleet.start(redis(&server.url())).await;
    one.until("an error", |redis| redis.status().error.is_some()).await;
    let error = one.redis.status().error.unwrap();
    assert!(error.contains("Redis Cluster is not supported"), "{error}");
}
