//! What is known beyond one process: in a file, in Redis.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use orgate::change::About;
use orgate::testing::TestIssuer;

use super::World;
use super::world::status;
use crate::gateway::Face;

const AUTHORIZED: &str = "Authorization: Bearer {{TOKEN}}\r\n";

struct Redis {
    port: u16,
    child: Option<Child>,
}

impl Redis {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut redis = Self { port, child: None };
        redis.run();
        redis
    }

    fn run(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        self.child = Some(command.stdout(Stdio::null()).spawn().expect("redis-server is installed"));
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            _ = child.kill();
            _ = child.wait();
        }
    }

    fn table(&self, when_behind: &str) -> String {
        let port = self.port;
        format!(
            "[state]\nredis = \"redis://127.0.0.1:{port}\"\nname = \"test\"\nwhen_behind = \"{when_behind}\"\n\
             after_loss = \"go_on\"\nbound = \"3s\"\nbeat = \"200ms\"\n"
        )
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn with(issuer: &Arc<TestIssuer>, table: &str) -> World {
    World::of(issuer.clone(), "nginx", |text| format!("{text}\n{table}")).await
}

async fn ask(world: &World) -> u16 {
    status(&world.ask("GET /orgs/acme/orders", AUTHORIZED).await)
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

async fn ready(world: &World) -> String {
    world.raw(Face::Admin, "GET /ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

#[tokio::test]
async fn revocation_is_known_after_a_restart() {
    let issuer = Arc::new(TestIssuer::start().await);
    let before = with(&issuer, "[state]\nfile = \"changes\"\nfile_sync = \"never\"\n").await;
    assert_eq!(ask(&before).await, 200);
    let server = before.current.load().server.clone();
    server.issuer("customers").unwrap().revoke(About::subject("u1")).unwrap();
    server.changes_kept().await;
    assert_eq!(ask(&before).await, 401);
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("changes");
    copy(&before.path.with_file_name("changes"), &kept);
    let after = with(&issuer, &format!("[state]\nfile = \"{}\"\n", kept.display())).await;
    // The same token: another one would have been issued after the revocation.
    let response = after.ask("GET /orgs/acme/orders", &AUTHORIZED.replace("{{TOKEN}}", &before.token)).await;
    assert_eq!(status(&response), 401, "{response}");
}

#[tokio::test]
async fn file_in_use_is_a_fault_that_names_it() {
    let issuer = Arc::new(TestIssuer::start().await);
    let world = with(&issuer, "[state]\nfile = \"changes\"\n").await;
    let again = || crate::config::load(&world.path);
    let fault = again().and_then(|loaded| crate::compile::compile(loaded, crate::compile::Purpose::Serve)).unwrap_err();
    assert!(fault.to_string().contains("changes"), "{fault}");
    // The configuration of a gateway that runs can be looked at.
    again().and_then(|loaded| crate::compile::compile(loaded, crate::compile::Purpose::Inspect)).unwrap();
}

#[tokio::test]
async fn revocation_at_one_replica_holds_at_the_other() {
    let redis = Redis::start();
    let issuer = Arc::new(TestIssuer::start().await);
    let (one, two) = (with(&issuer, &redis.table("refuse")).await, with(&issuer, &redis.table("refuse")).await);
    eventually("both are ready", async || {
        status(&ready(&one).await) == 200 && status(&ready(&two).await) == 200 && ask(&two).await == 200
    })
    .await;
    let handle = one.current.load().server.issuer("customers").unwrap();
    handle.revoke(About::subject("u1")).unwrap();
    eventually("the other replica rejects", async || ask(&two).await == 401).await;
}

#[tokio::test]
async fn replica_that_is_behind_answers_as_it_is_set_and_is_not_ready() {
    let mut redis = Redis::start();
    let issuer = Arc::new(TestIssuer::start().await);
    let (refuses, goes_on) = (with(&issuer, &redis.table("refuse")).await, with(&issuer, &redis.table("go_on")).await);
    eventually("both are current", async || ask(&refuses).await == 200 && ask(&goes_on).await == 200).await;
    redis.kill();
    eventually("one is behind", async || ask(&refuses).await == 503).await;
    let response = refuses.ask("GET /orgs/acme/orders", AUTHORIZED).await;
    assert!(response.contains("retry-after: "), "{response}");
    assert_eq!(ask(&goes_on).await, 200);
    // What no policy protects goes on, and the prober learns why nothing else does.
    assert_eq!(status(&refuses.ask("GET /public/x", "").await), 200);
    let response = ready(&refuses).await;
    assert!(status(&response) == 503 && response.contains("change log: behind"), "{response}");
    redis.run();
    eventually("it has caught up", async || ask(&refuses).await == 200 && status(&ready(&refuses).await) == 200).await;
}

#[tokio::test]
async fn proof_that_passed_at_one_replica_is_a_replay_at_the_other() {
    let redis = Redis::start();
    let issuer = Arc::new(TestIssuer::start().await);
    let table = format!("{}\n[dpop]\nreplay_timeout = \"2s\"\n", redis.table("refuse"));
    let (one, two) = (with(&issuer, &table).await, with(&issuer, &table).await);
    eventually("both are current", async || ask(&one).await == 200 && ask(&two).await == 200).await;
    let key = issuer.proof_key();
    let token = issuer.organization_resource_token(super::world::RESOURCE, "acme").subject("u1").client("web");
    let token = token.scope("read:orders").bound_to(&key).mint();
    let proof = key.proof("GET", "https://api.example.com/orgs/acme/orders", &token).mint();
    let headers = format!("Authorization: DPoP {token}\r\nDPoP: {proof}\r\n");
    assert_eq!(status(&one.ask("GET /orgs/acme/orders", &headers).await), 200);
    assert_eq!(status(&two.ask("GET /orgs/acme/orders", &headers).await), 401);
}
