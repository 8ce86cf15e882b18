//! What operators see: metrics, the log of decisions, readiness.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orgate::testing::TestIssuer;
use serde_json::Value;

use super::World;
use super::world::status;
use crate::gateway::Face;

const AUTHORIZED: &str = "Authorization: Bearer {{TOKEN}}\r\n";

async fn admin(world: &World, path: &str) -> String {
    world.raw(Face::Admin, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await
}

/// Returns the lines of a log, once there are so many.
async fn lines(path: &Path, count: usize) -> Vec<Value> {
    for _ in 0..200 {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.matches('\n').count() >= count {
            return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} never had {count} lines", path.display());
}

#[tokio::test]
async fn metrics_tell_decisions_and_failures_of_upstreams_and_no_token() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let more = format!(
        "[upstream.nobody-here]\nurl = \"http://{nobody}\"\n\
         [[route]]\npath = \"/nobody\"\npublic = true\nupstream = \"nobody-here\"\n"
    );
    let world = World::with("nginx", &more).await;
    assert_eq!(status(&world.ask("GET /orgs/globex/orders", AUTHORIZED).await), 403);
    assert_eq!(status(&world.ask("GET /nobody", "").await), 502);
    let response = admin(&world, "/metrics").await;
    assert!(response.contains("content-type: text/plain; version=0.0.4"), "{response}");
    for metric in [
        "orgate_decisions_total{",
        "route=\"/orgs/{org}/orders\"",
        "orgate_gateway_upstream_failures_total{upstream=\"nobody-here\",reason=\"unreachable\"} 1",
        "orgate_gateway_reloads_total{outcome=\"loaded\"}",
        "orgate_gateway_last_reload_failed",
        "orgate_gateway_decisions_dropped_total",
        "orgate_gateway_decisions_failed_total",
        "orgate_gateway_tasks",
        "orgate_leases 0",
        "orgate_token_cache_entries",
    ] {
        assert!(response.contains(metric), "{metric}\n{response}");
    }
    assert!(!response.contains(&world.token) && !response.contains("u1\""), "{response}");
}

#[tokio::test]
async fn log_of_decisions_is_reopened_and_moved_by_a_reload() {
    let world = World::with("nginx", "[log]\ndecisions = \"one.jsonl\"\n").await;
    let path = |name: &str| world.path.with_file_name(name);
    world.ask("GET /orgs/acme/orders", AUTHORIZED).await;
    lines(&path("one.jsonl"), 1).await;
    // As logrotate does it.
    std::fs::rename(path("one.jsonl"), path("old.jsonl")).unwrap();
    world.reload(str::to_owned);
    world.ask("GET /orgs/globex/orders", AUTHORIZED).await;
    assert_eq!(lines(&path("one.jsonl"), 1).await[0]["outcome"], "deny");
    assert_eq!(lines(&path("old.jsonl"), 1).await.len(), 1);
    world.reload(|text| text.replace("one.jsonl\"", "two.jsonl\"\nsubject = \"plain\""));
    world.ask("GET /orgs/acme/orders", AUTHORIZED).await;
    assert_eq!(lines(&path("two.jsonl"), 1).await[0]["subject"], "u1");
    assert_eq!(lines(&path("one.jsonl"), 1).await.len(), 1);
}

#[tokio::test]
async fn full_disk_of_the_log_is_counted_and_holds_up_nothing() {
    let world = World::with("nginx", "[log]\ndecisions = \"/dev/full\"\n").await;
    for _ in 0..20 {
        assert_eq!(status(&world.ask("GET /orgs/acme/orders", AUTHORIZED).await), 200);
        assert_eq!(status(&world.ask("GET /orgs/globex/orders", AUTHORIZED).await), 403);
    }
    for _ in 0..200 {
        if world.current.load().lasting.decisions.counts().failed() > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing was counted");
}

#[tokio::test]
async fn without_keys_it_is_alive_and_not_ready_and_lets_nobody_in() {
    let issuer = Arc::new(TestIssuer::start().await);
    issuer.take_down();
    let world = World::of(issuer.clone(), "nginx", |text| text).await;
    assert_eq!(status(&admin(&world, "/live").await), 200);
    let response = admin(&world, "/ready").await;
    assert!(status(&response) == 503 && response.contains("customers"), "{response}");
    let response = world.ask("GET /orgs/acme/orders", AUTHORIZED).await;
    assert!(status(&response) == 503 && response.contains("retry-after: "), "{response}");
    assert_eq!(status(&world.ask("GET /public/x", "").await), 200);
    issuer.bring_up();
    for _ in 0..200 {
        if status(&admin(&world, "/ready").await) == 200 {
            assert_eq!(status(&world.ask("GET /orgs/acme/orders", AUTHORIZED).await), 200);
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it was never ready");
}
