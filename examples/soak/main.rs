//! A soak run: the gateway as a process, behind NGINX, beside it, and asked by NGINX and Envoy about each request, with Redis, a
//! whole Logto tenant and an application, under steady load and with thousands of open event streams, while people are suspended,
//! removed and restored, and while issuer, permission source, Redis, application and the issuer's clock fail at random.
//!
//! ```text
//! cargo build --release -p orgate-gateway
//! bash -c 'source .ci/lib.sh && proxy_programs'
//! ORGATE_SOAK_SECONDS=120 ORGATE_PROXIES=target/proxies/bin cargo run --release --example soak
//! ```
//!
//! Every response is compared with a model of who may pass. Once a webhook was acknowledged, its subject must not pass, and its
//! streams must end; while nothing fails, whoever may pass must, and no stream of it may end. A line a minute shows what was
//! answered and what the gateway takes of memory, descriptors, threads and tasks. The run ends with an error if an answer was
//! wrong, if memory grew after a sixth of the time, or if descriptors, threads, tasks or leases are left.
//!
//! A machine that is too slow is no fault of the gateway: that there was no answer is excused where one took longer than a second,
//! and where this process stood still for as long. Such stalls are counted and printed.
//!
//! `ORGATE_SOAK_STREAMS` (10000) is the number of streams, `ORGATE_SOAK_SEED` (1) chooses what happens, `ORGATE_GATEWAY`
//! (target/release/orgate) is the program of the gateway, and `ORGATE_PROXIES` the folder of the programs of NGINX and Envoy.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a run that measures, in real time"
)]

mod faults;
#[path = "../../gateway/tests/process/proxies.rs"]
mod launched;
mod load;
mod measure;
mod people;
mod processes;
mod proxies;
mod streams;

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use orgate::testing::{TestClock, TestTenant};

use crate::measure::{Random, Tally, Usage};
use crate::people::User;
use crate::processes::{Gateway, Redis};
use crate::proxies::Proxies;

const API: &str = "https://api.example.com";
const USERS: usize = 64;
const CONNECTIONS: usize = 16;
/// A fault counts for so long after it has ended: Redis is found again, keys are fetched again.
const AFTERMATH: Duration = Duration::from_secs(15);
/// Where a machine keeps somebody waiting for so long, limits of time pass though nothing fails.
const STALL: Duration = Duration::from_secs(1);
/// What the allocator keeps of what was used for a moment.
const SLACK_KIB: u64 = 16 * 1024;
/// Streams that may be missing when the load begins: some are always about to come again.
const MISSING: usize = 50;

struct Soak {
    tenant: TestTenant,
    clock: TestClock,
    /// How far the issuer's clock is ahead, in milliseconds.
    ahead: AtomicI64,
    users: Vec<User>,
    /// Where the gateway listens, and NGINX before it, and the proxies that ask it.
    faces: [String; 4],
    client: reqwest::Client,
    tally: Tally,
    /// When a fault began or ended last.
    fault: Mutex<Option<Instant>>,
    /// When the machine was too slow last.
    stall: Mutex<Option<Instant>>,
    is_failing: AtomicBool,
    upstream_fails: Arc<AtomicBool>,
    is_over: tokio::sync::watch::Sender<bool>,
    /// Between two requests of a connection.
    pause: Mutex<Duration>,
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seconds: u64 = setting("ORGATE_SOAK_SECONDS", "120").parse()?;
    let seed: u64 = setting("ORGATE_SOAK_SEED", "1").parse()?;
    let streams: usize = setting("ORGATE_SOAK_STREAMS", "10000").parse()?;
    let clock = TestClock::new(wall());
    let tenant = TestTenant::builder().clock(clock.clone()).start().await;
    let users = people::all(&tenant);
    let upstream_fails = Arc::new(AtomicBool::new(false));
    let upstream = processes::application(upstream_fails.clone()).await?;
    let folder = std::env::temp_dir().join(format!("orgate-soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut redis = Redis::start()?;
    let mut gateway = Gateway::start(&folder, &tenant, upstream, redis.port)?;
    let proxies = Proxies::start(&folder, &gateway, upstream)?;
    let [before, nginx, envoy] = proxies.ports();
    let soak = Arc::new(Soak {
        users,
        faces: [gateway.port, before, nginx, envoy].map(|port| format!("http://127.0.0.1:{port}")),
        client: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?,
        tally: Tally::default(),
        fault: Mutex::new(None),
        stall: Mutex::new(None),
        // While streams open, permissions of everybody are asked for at once, and some are put off.
        is_failing: AtomicBool::new(true),
        upstream_fails,
        is_over: tokio::sync::watch::Sender::new(false),
        pause: Mutex::new(Duration::ZERO),
        tenant,
        clock,
        ahead: AtomicI64::new(0),
    });
    soak.until_served().await?;
    let idle = gateway.usage().await?;
    println!("idle: {idle}");
    let moving = tokio::spawn(soak.clone().keep_time());
    let began = Instant::now();
    let open = tokio::spawn(soak.clone().streams(streams, seed)).await??;
    soak.until_open(streams).await?;
    println!("{streams} streams are open after {} s: {}", began.elapsed().as_secs(), gateway.usage().await?);

    // So are some at full load.
    soak.is_failing.store(false, Ordering::SeqCst);
    *soak.fault.lock().unwrap() = Some(Instant::now() + Duration::from_secs(5));
    let load: Vec<_> = (0..CONNECTIONS).map(|at| tokio::spawn(soak.clone().load(at, seed))).collect();
    let (began, before) = (Instant::now(), soak.tally.answers());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let capacity = (soak.tally.answers() - before) as f64 / began.elapsed().as_secs_f64();
    *soak.pause.lock().unwrap() = Duration::from_secs_f64(2.0 * CONNECTIONS as f64 / capacity.max(1.0));
    println!("capacity {capacity:.0} requests/s; from now on half of it");
    let changing = tokio::spawn(soak.clone().change(seed));
    soak.watch(&mut gateway, &mut redis, seconds, seed).await?;

    soak.is_over.send_replace(true);
    for task in load.into_iter().chain(open).chain([changing, moving]) {
        task.await?;
    }
    let answered = soak.tally.answers();
    let left = gateway.quiet(idle).await?;
    println!("at the end {left}; idle {idle}");
    // The connections of NGINX stay, and so do those that the load has opened to the application.
    if left.is_more_than(&idle, 2 * CONNECTIONS as u64 + 8) || left.leases > 0 {
        soak.wrong(format!("idle {idle}, at the end {left}"));
    }
    drop(proxies);
    // All tasks end when the process is asked to: else it would be killed here.
    if let Some(fault) = gateway.stop().await? {
        soak.wrong(fault);
    }
    let [strict, stalls] = [&soak.tally.strict, &soak.tally.stalls].map(|count| count.load(Ordering::Relaxed));
    if strict == 0 && stalls == 0 {
        soak.wrong("every answer was excused".to_owned());
    }
    std::fs::remove_dir_all(&folder)?;
    println!("streams ended: {:?}", soak.tally.reasons.lock().unwrap());
    println!("{answered} answers in {seconds} s: {}", soak.tally);
    let wrong = soak.tally.wrong.lock().unwrap();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{:#?}", &wrong[..wrong.len().min(10)]).into()) }
}

fn is_recent(moment: &Mutex<Option<Instant>>, since: Instant) -> bool {
    moment.lock().unwrap().is_some_and(|moment| moment + AFTERMATH > since)
}

impl Soak {
    fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }

    fn wrong(&self, what: String) {
        println!("WRONG: {what}");
        self.tally.wrong.lock().unwrap().push(what);
    }

    /// Whether something fails, or did a moment ago.
    fn is_troubled(&self, since: Instant) -> bool {
        self.is_failing.load(Ordering::SeqCst) || is_recent(&self.fault, since) || is_recent(&self.stall, since)
    }

    /// Whether there need be no answer to what began then: as above, or because the machine is too slow.
    async fn is_excused(&self, began: Instant) -> bool {
        if self.is_troubled(began) {
            return true;
        }
        if began.elapsed() > STALL {
            self.stalled();
            return true;
        }
        // Whoever shares its fate was perhaps kept waiting for longer.
        tokio::time::sleep(2 * STALL).await;
        is_recent(&self.stall, began)
    }

    fn stalled(&self) {
        self.tally.stalls.fetch_add(1, Ordering::Relaxed);
        *self.stall.lock().unwrap() = Some(Instant::now());
    }

    /// The issuer's clock goes as the machine's does, as far ahead as a fault says.
    async fn keep_time(self: Arc<Self>) {
        while !self.is_over() {
            let before = Instant::now();
            tokio::time::sleep(Duration::from_millis(20)).await;
            if before.elapsed() > STALL {
                self.stalled();
            }
            let ahead = self.ahead.load(Ordering::SeqCst);
            let by = Duration::from_millis(ahead.unsigned_abs());
            self.clock.set_wall(if ahead < 0 { wall().saturating_sub(by) } else { wall() + by });
        }
    }

    async fn until_served(&self) -> Result<(), Box<dyn Error>> {
        for _ in 0..600 {
            let answers = self.faces.iter().map(|at| self.ask(at, &self.users[0], "orders"));
            if join_all(answers).await.iter().all(|(status, _)| *status == 200) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the gateway does not serve".into())
    }

    /// As long as it takes, if there is some progress each minute.
    async fn until_open(&self, streams: usize) -> Result<(), Box<dyn Error>> {
        let (mut most, mut since) = (0, Instant::now());
        loop {
            let open = self.tally.open.load(Ordering::Relaxed);
            if open + MISSING >= streams {
                return Ok(());
            }
            if open > most {
                (most, since) = (open, Instant::now());
            }
            if since.elapsed() > Duration::from_secs(60) {
                return Err(format!("{open} of {streams} streams are open: {}", self.tally).into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Injects faults for so long, and prints and judges what the gateway takes.
    async fn watch(
        &self,
        gateway: &mut Gateway,
        redis: &mut Redis,
        seconds: u64,
        seed: u64,
    ) -> Result<(), Box<dyn Error>> {
        let (started, mut random) = (Instant::now(), Random::new(seed + 77));
        let (mut warm, mut most): (Option<Usage>, u64) = (None, 0);
        let mut minutes = 0;
        while started.elapsed() < Duration::from_secs(seconds) {
            self.fail(redis, &mut random).await?;
            let usage = gateway.usage().await?;
            if started.elapsed().as_secs() / 60 >= minutes {
                minutes = started.elapsed().as_secs() / 60 + 1;
                println!("{:5} s  {}  {usage}", started.elapsed().as_secs(), self.tally);
            }
            if started.elapsed() > Duration::from_secs(seconds / 6) {
                let warm = *warm.get_or_insert(usage);
                most = most.max(usage.memory_kib);
                if usage.memory_kib > warm.memory_kib + warm.memory_kib / 8 + SLACK_KIB {
                    self.wrong(format!("memory grew from {warm} to {usage}"));
                }
            }
        }
        if let Some(warm) = warm {
            println!("memory after a sixth of the time {} KiB, the most since then {most} KiB", warm.memory_kib);
        }
        Ok(())
    }
}
