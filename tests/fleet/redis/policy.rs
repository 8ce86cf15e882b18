//! What becomes of requests while a replica is behind.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orgate::change::redis::{Redis, RedisState, WhenBehind};
use orgate::engine::{Observer, Record};
use orgate::observe::JsonLines;
use tower::ServiceExt as _;

use super::fleet::{BRIEF, Fleet, brief, clock, redis, settle};
use super::proxy::{Fault, Proxy};
use super::server::Server;

#[tokio::test]
async fn refuse_when_behind() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let proxy = Proxy::to(server.port).await;
    let one = fleet.join(brief(&proxy.url())).await;
    proxy.set(Fault::Cut { to: true, from: true });
    one.becomes(RedisState::Behind).await;
    let client = reqwest::Client::new();
    let request = client.get(format!("http://{}/", one.replica.address)).bearer_auth(fleet.token(1));
    let response = request.send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    assert!(response.headers().get("www-authenticate").is_none());
    let call = http::Request::post("/").version(http::Version::HTTP_2).header("content-type", "application/grpc");
    let call =
        call.header("authorization", format!("Bearer {}", fleet.token(1))).body(axum::body::Body::empty()).unwrap();
    let response = one.replica.router.clone().oneshot(call).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["grpc-status"].to_str().unwrap()), (200, "14"));
    assert!(one.replica.server.change_log().unwrap().behind > 0);
}

#[tokio::test]
async fn go_on_when_behind() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let (proxy, clock, seen) = (Proxy::to(server.port).await, clock(), Seen::default());
    let builder = fleet.builder().clock(clock.clone()).observer(seen.clone());
    let builder = builder.observer(JsonLines::builder().writer(seen.clone()));
    let one = fleet.start_as(builder, brief(&proxy.url()).when_behind(WhenBehind::GoOn)).await;
    one.becomes(RedisState::Current).await;
    assert_eq!(one.replica.status(fleet.token(2)).await, 200);
    fleet.suspend(&one, 1);
    proxy.set(Fault::Cut { to: true, from: true });
    clock.advance(BRIEF);
    assert_eq!(one.redis.status().state, RedisState::Behind);
    assert_eq!((one.replica.status(fleet.token(1)).await, one.replica.status(fleet.token(2)).await), (401, 200));
    assert_eq!(*seen.marks.lock().unwrap(), [false, true, true], "each record says whether it was behind");
    let lines = seen.lines(3).await;
    assert_eq!(lines.iter().map(|line| line["behind"] == true).collect::<Vec<_>>(), [false, true, true], "{lines:?}");
    assert!(lines[0].get("behind").is_none());
    let status = one.replica.server.change_log().unwrap();
    assert!(status.behind >= 2 && !status.is_current, "{status:?}");
    assert!(one.replica.server.ready().await.is_err());
}

/// What an observer and a log of decisions are told.
#[derive(Clone, Default)]
struct Seen {
    marks: Arc<Mutex<Vec<bool>>>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Observer for Seen {
    fn decided(&self, record: &Record<'_>) {
        self.marks.lock().unwrap().push(record.is_behind());
    }
}

impl std::io::Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.written.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seen {
    /// They are written by another thread.
    async fn lines(&self, count: usize) -> Vec<serde_json::Value> {
        for _ in 0..2000 {
            let text = String::from_utf8(self.written.lock().unwrap().clone()).unwrap();
            if text.lines().count() == count && text.ends_with('\n') {
                return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never {count} lines");
    }
}

#[test]
fn policy_must_be_chosen_and_the_bound_must_hold_the_beats() {
    let error = Redis::builder("redis://localhost", "shop").build().unwrap_err().to_string();
    assert!(error.contains("WhenBehind::Refuse") && error.contains("WhenBehind::GoOn"), "{error}");
    let with = |bound: u64| {
        Redis::builder("redis://localhost", "shop")
            .when_behind(WhenBehind::Refuse)
            .bound(Duration::from_millis(bound))
            .build()
    };
    assert!(with(4999).unwrap_err().to_string().contains("three beats and 2 s"));
    assert!(with(5000).is_ok());
    assert!(with(600_000).is_ok());
    assert!(with(600_001).unwrap_err().to_string().contains("to 600s"));
    for fleet in ["", "a b", "{x}", "a\n"] {
        let error =
            Redis::builder("redis://localhost", fleet).when_behind(WhenBehind::GoOn).build().unwrap_err().to_string();
        assert!(error.contains("fleet"), "{error}");
    }
}

#[test]
fn settings_that_would_do_nothing_or_never_end_are_rejected() {
    let with = |url: &str| Redis::builder(url, "shop").when_behind(WhenBehind::Refuse);
    for (settings, named) in [
        (with("redis://localhost").secrets(Vec::<String>::new()), "secrets"),
        (with("redis://localhost").root_certificate_pem("-----BEGIN"), "rediss://"),
        (with("redis://localhost").client_certificate_pem("chain", "key"), "rediss://"),
        (with("redis://localhost").reconcile_every(Duration::MAX), "1 s to 24 h"),
    ] {
        let error = settings.build().unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    assert!(with("redis://localhost").reconcile_every(Duration::from_secs(24 * 60 * 60)).build().is_ok());
}

#[tokio::test]
async fn watcher_that_panics_does_not_end_the_log() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let one = fleet.join(redis(&server.url()).on_state(|_| panic!("in a test"))).await;
    let two = fleet.join(redis(&server.url())).await;
    fleet.suspend(&two, 1);
    fleet.agrees(&one).await;
}

#[tokio::test]
async fn server_dropped_leaves_no_task() {
    let (server, fleet) = (Server::start(&[]).await, Fleet::new().await);
    settle(&server);
    let member = fleet.join(redis(&server.url())).await;
    assert!(server.ask(&["CLIENT", "LIST"]).lines().count() >= 3);
    member.replica.stop().await;
    for _ in 0..1000 {
        if server.ask(&["CLIENT", "LIST"]).lines().count() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("connections stay: {}", server.ask(&["CLIENT", "LIST"]));
}
