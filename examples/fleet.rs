//! Three replicas that share suspensions through Redis, and what becomes of them when something fails.
//!
//! Starts `redis-server` itself, on a free port: `cargo run --example fleet`.

#![allow(clippy::disallowed_methods, reason = "it measures, and a real server has a real clock")]

use std::error::Error;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use orgate::ResourceServer;
use orgate::change::Change;
use orgate::change::redis::{Redis, RedisState, WhenBehind};
use orgate::testing::{TestClock, TestIssuer};
use orgate::time::SystemClock;

const API: &str = "https://api.example.com";

/// The server that the replicas share. Stopped at the end.
struct Store {
    child: Child,
    port: u16,
}

impl Store {
    fn start(port: u16, directory: &Path) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(directory);
        match command.stdout(Stdio::null()).spawn() {
            Ok(child) => Ok(Self { child, port }),
            Err(error) => {
                Err(format!("redis-server cannot be started ({error}). Debian: apt install redis-server").into())
            }
        }
    }

    fn ask(&self, command: &[&str]) -> Result<(), Box<dyn Error>> {
        let status = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(command)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if status.success() { Ok(()) } else { Err("redis-cli failed".into()) }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

struct Replica {
    server: ResourceServer,
    redis: Redis,
}

impl Replica {
    async fn start(issuer: &TestIssuer, port: u16, file: PathBuf) -> Result<Self, Box<dyn Error>> {
        let redis = Redis::builder(format!("redis://127.0.0.1:{port}"), "example")
            .when_behind(WhenBehind::Refuse)
            .beat(Duration::from_millis(200))
            .bound(Duration::from_secs(10))
            .build()?;
        let builder = ResourceServer::builder(issuer.url(), API).clock(SystemClock::new());
        let server = builder.change_log(redis.clone()).change_file(file).build()?;
        // Starts to follow; it may take longer than this waits.
        _ = server.ready().await;
        let replica = Self { server, redis };
        replica.until(|replica| replica.redis.status().state == RedisState::Current).await;
        Ok(replica)
    }

    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until the token is rejected.
    async fn rejects(&self, token: &str) {
        while self.server.verify(token).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Milliseconds: the median and the 99th percentile of 200.
async fn latency(issuer: &TestIssuer, from: &Replica, to: &Replica, rate: u32) -> Result<(f64, f64), Box<dyn Error>> {
    let entry = from.server.issuers().into_iter().next().ok_or("no issuer")?;
    let others = entry.clone();
    let load = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        for round in 0_u64.. {
            ticks.tick().await;
            for number in 0..rate / 100 {
                let change = Change::suspended(others.issuer(), format!("other_{round}_{number}"), SystemTime::now());
                _ = others.apply_change(&change);
            }
        }
    });
    let mut times = Vec::new();
    for number in 0..200 {
        let user = format!("probe_{rate}_{number}");
        let token = issuer.resource_token(API).subject(&*user).mint();
        to.server.verify(&token).await?;
        let start = Instant::now();
        entry.apply_change(&Change::suspended(issuer.url(), user, SystemTime::now()))?;
        while to.server.verify(&token).await.is_ok() {
            tokio::task::yield_now().await;
        }
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    load.abort();
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    Ok((at(50), at(99)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("orgate-example-fleet-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let outcome = run(&directory).await;
    std::fs::remove_dir_all(&directory)?;
    outcome
}

async fn run(directory: &Path) -> Result<(), Box<dyn Error>> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut store = Store::start(port, directory)?;
    while store.ask(&["PING"]).is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let issuer = TestIssuer::builder().clock(TestClock::new(now)).start().await;
    let file = |number: usize| directory.join(format!("replica-{number}"));
    let mut replicas = Vec::new();
    let start = Instant::now();
    for number in 0..3 {
        replicas.push(Replica::start(&issuer, port, file(number)).await?);
    }
    println!(
        "{:>6} ms  three replicas are current (the first one waits 5 s: others might know more)",
        start.elapsed().as_millis()
    );

    // What everybody was issued before the table was begun is rejected once; these are issued after that.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    issuer.clock().set_wall(now);
    let token = |user: &str| issuer.resource_token(API).subject(user).mint();
    let suspend = |replica: &Replica, user: &str| -> Result<(), Box<dyn Error>> {
        let change = Change::suspended(issuer.url(), user, SystemTime::now());
        replica.server.issuers().first().ok_or("no issuer")?.apply_change(&change)?;
        Ok(())
    };
    let [one, two, three] = replicas.as_slice() else { return Err("three replicas".into()) };

    let (alice, start) = (token("alice"), Instant::now());
    suspend(one, "alice")?;
    for replica in [one, two, three] {
        replica.rejects(&alice).await;
    }
    println!("{:>6} ms  alice is suspended at one replica and rejected by all", start.elapsed().as_millis());

    for rate in [0, 1_000] {
        let (median, worst) = latency(&issuer, one, three, rate).await?;
        println!(
            "{median:>6.2} ms  from a change at one replica to its enforcement at another, median (p99 {worst:.2} ms), at {rate} other changes a second"
        );
    }

    let start = Instant::now();
    store.ask(&["FLUSHALL"])?;
    for replica in [one, two, three] {
        replica.until(|replica| replica.redis.status().counts.reconciles.get("lost") == Some(&1)).await;
    }
    println!(
        "{:>6} ms  FLUSHALL: each replica has compared, and put back what was missing",
        start.elapsed().as_millis()
    );

    let start = Instant::now();
    drop(store);
    three.until(|replica| replica.redis.status().state == RedisState::Behind).await;
    println!("{:>6} ms  Redis is gone: the replicas are behind, requests receive 503", start.elapsed().as_millis());
    suspend(two, "bob")?;
    let start = Instant::now();
    store = Store::start(port, directory)?;
    let bob = token("bob");
    for replica in [one, two, three] {
        replica.until(|replica| replica.redis.status().state == RedisState::Current).await;
        replica.rejects(&bob).await;
    }
    println!(
        "{:>6} ms  Redis is back and empty: all are current, and bob, suspended meanwhile, is rejected by all",
        start.elapsed().as_millis()
    );

    for replica in &replicas {
        replica.server.changes_kept().await;
    }
    drop(replicas);
    drop(store);
    let start = Instant::now();
    let store = Store::start(port, directory)?;
    let replica = loop {
        match Replica::start(&issuer, port, file(2)).await {
            Ok(replica) => break replica,
            // The last tasks of the servers that were just dropped.
            Err(error) if error.to_string().contains("another process") => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(error),
        }
    };
    replica.rejects(&alice).await;
    replica.rejects(&bob).await;
    println!(
        "{:>6} ms  everything was restarted: one replica's file knows both (5 s of it for others to tell)",
        start.elapsed().as_millis()
    );
    drop(store);
    Ok(())
}
