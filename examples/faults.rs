//! A fault run: steady load of good and bad tokens while the issuer goes through all that can happen to it.
//!
//! ```text
//! cargo run --release --example faults            # about a minute
//! ```
//!
//! It prints a line for each phase: requests with good tokens, how many were wrongly rejected, how many bad ones were
//! wrongly accepted, the latency of the good ones, and the requests that the issuer got. Load and server share the
//! machine, so each phase also measures the same load against an unguarded route that answers 401. It ends with an error
//! if an answer was wrong.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::routing::get;
use orgate::policy::resource;
use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::{Issuer, ResourceServer};

const API: &str = "https://api.example.com";
const PHASE: Duration = Duration::from_secs(3);
/// Good requests a second, over all connections.
const GOOD_RATE: u32 = 400;
const GOOD_CONNECTIONS: u32 = 4;
/// Unknown kids a second in a flood, as far as the machine goes.
const FLOOD_RATE: u32 = 10_000;
const FLOOD_CONNECTIONS: u32 = 16;

/// What the load sends. Exchanged while it runs.
#[derive(Default)]
struct Tokens {
    good: Vec<String>,
    bad: Vec<String>,
}

/// What was answered in one phase.
#[derive(Default)]
struct Tally {
    good: AtomicUsize,
    wrongly_refused: AtomicUsize,
    bad: AtomicUsize,
    wrongly_accepted: AtomicUsize,
    flood: AtomicUsize,
    latencies: Mutex<Vec<Duration>>,
}

struct Run {
    issuer: TestIssuer,
    server: ResourceServer,
    base: String,
    started: Instant,
    wrong: usize,
}

#[tokio::main]
#[allow(clippy::disallowed_methods, reason = "the load runs in real time")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).name("issuer");
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build()?;
    let app = server
        .guard()
        .get("/guarded", || async { "ok" }, resource())
        .public("/unguarded", get(|| async { StatusCode::UNAUTHORIZED }))
        .into_router()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    server.ready().await?;

    let mut run = Run { issuer, server, base, started: Instant::now(), wrong: 0 };
    println!("{GOOD_RATE} good and {} bad requests a second; latencies in microseconds", GOOD_RATE / 4);
    println!(
        "{:24} {:>6} {:>8} {:>6} {:>9} {:>7} {:>7} {:>7} {:>9} {:>8} {:>8}",
        "phase", "good", "refused", "bad", "accepted", "p50", "p99", "worst", "p99 open", "flood/s", "requests"
    );
    run.phases().await?;
    if run.wrong > 0 {
        return Err(format!("{} wrong answers", run.wrong).into());
    }
    println!("no wrong answer");
    Ok(())
}

/// Whether the keys could be fetched now.
async fn refresh(server: &ResourceServer) -> bool {
    let Ok(issuer) = server.issuer("issuer") else { return false };
    issuer.refresh_keys().await.is_ok()
}

impl Run {
    async fn phases(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        self.phase("quiet", false, async |_| {}).await;
        self.phase("rotation, overlap", false, async |run| {
            run.issuer.rotate();
            // The old key still verifies, the new one at its first request.
            run.good_and(run.mint());
        })
        .await;
        self.phase("rotation, no overlap", false, async |run| {
            run.issuer.rotate_without_overlap();
            let old = run.exchange(run.mint());
            if refresh(run.server).await {
                run.refuse(old);
            }
        })
        .await;
        self.phase("key replaced, same kid", false, async |run| {
            run.issuer.replace_key_keeping_kid();
            let old = run.pause_good();
            if refresh(run.server).await {
                run.refuse(old);
                run.good_and(run.mint());
            }
        })
        .await;
        for (name, fault) in [("outage", Fault::Status(503)), ("garbage", Fault::Garbage), ("resets", Fault::Reset)] {
            self.phase(name, false, async |run| {
                run.issuer.fail_always(Endpoint::All, fault);
                // Past the refresh, past the lifetime, and on.
                run.age(&[500, 110, 3600]).await;
            })
            .await;
            self.issuer.recover();
            self.server.issuer("issuer")?.refresh_keys().await?;
        }
        self.phase("slow issuer", false, async |run| {
            run.issuer.fail_always(Endpoint::Keys, Fault::Delay(Duration::from_millis(800)));
            run.age(&[500, 500, 500]).await;
        })
        .await;
        self.issuer.recover();
        self.phase("flood of unknown kids", true, async |run| {
            run.age(&[6, 6, 6]).await;
        })
        .await;
        self.phase("flood, slow issuer", true, async |run| {
            run.issuer.fail_always(Endpoint::Keys, Fault::Delay(Duration::from_millis(800)));
            run.age(&[6, 6, 6]).await;
        })
        .await;
        self.issuer.recover();
        self.phase("quiet again", false, async |_| {}).await;
        Ok(())
    }

    /// Runs the load while `happens` does, first against the guarded route, then the same load against the open one.
    async fn phase(&mut self, name: &str, flood: bool, happens: impl AsyncFnOnce(&Live<'_>)) {
        let before = self.issuer.requests(Endpoint::All);
        let started = self.elapsed();
        let guarded = Load::start(&self.base, "/guarded", StatusCode::OK, flood, self.tokens());
        happens(&Live { issuer: &self.issuer, server: &self.server, tokens: &guarded.tokens }).await;
        tokio::time::sleep(PHASE).await;
        let tally = guarded.end().await;
        let seconds = self.elapsed().saturating_sub(started).as_secs().max(1);
        let fetches = self.issuer.requests(Endpoint::All) - before;
        let open = Load::start(&self.base, "/unguarded", StatusCode::UNAUTHORIZED, flood, self.tokens());
        tokio::time::sleep(PHASE).await;
        let beside = open.end().await;

        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let (refused, accepted) = (count(&tally.wrongly_refused), count(&tally.wrongly_accepted));
        self.wrong += refused + accepted;
        let [p50, p99, worst] = quantiles(&tally);
        let [_, p99_open, _] = quantiles(&beside);
        println!(
            "{name:24} {:>6} {refused:>8} {:>6} {accepted:>9} {p50:>7} {p99:>7} {worst:>7} {p99_open:>9} {:>8} {fetches:>8}",
            count(&tally.good),
            count(&tally.bad),
            count(&tally.flood) as u64 / seconds,
        );
    }

    #[allow(clippy::disallowed_methods, reason = "the load runs in real time")]
    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn tokens(&self) -> Tokens {
        let token = || self.issuer.resource_token(API).expires_in(Duration::from_secs(1_000_000));
        Tokens {
            good: vec![token().mint()],
            bad: vec![token().forged().mint(), token().tampered().mint(), token().unsigned().mint()],
        }
    }
}

/// What a phase can do while the load runs.
struct Live<'a> {
    issuer: &'a TestIssuer,
    server: &'a ResourceServer,
    tokens: &'a Arc<Mutex<Tokens>>,
}

impl Live<'_> {
    fn mint(&self) -> String {
        self.issuer.resource_token(API).expires_in(Duration::from_secs(1_000_000)).mint()
    }

    fn good_and(&self, token: String) {
        self.change(|tokens| tokens.good.push(token));
    }

    fn exchange(&self, token: String) -> Vec<String> {
        self.change(|tokens| std::mem::replace(&mut tokens.good, vec![token]))
    }

    fn pause_good(&self) -> Vec<String> {
        self.change(|tokens| std::mem::take(&mut tokens.good))
    }

    fn refuse(&self, old: Vec<String>) {
        self.change(|tokens| tokens.bad.extend(old));
    }

    /// Turns the key sets' time on, in steps, with load in between. Tokens do not age.
    async fn age(&self, steps: &[u64]) {
        for seconds in steps {
            self.issuer.clock().advance_monotonic(Duration::from_secs(*seconds));
            tokio::time::sleep(PHASE / 4).await;
        }
    }

    #[allow(clippy::unwrap_used, reason = "nothing panics under this lock")]
    fn change<R>(&self, change: impl FnOnce(&mut Tokens) -> R) -> R {
        change(&mut self.tokens.lock().unwrap())
    }
}

/// A running load.
struct Load {
    tokens: Arc<Mutex<Tokens>>,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(base: &str, path: &str, expected: StatusCode, flood: bool, tokens: Tokens) -> Self {
        let mut load = Self {
            tokens: Arc::new(Mutex::new(tokens)),
            tally: Arc::default(),
            stop: Arc::default(),
            tasks: Vec::new(),
        };
        let url = format!("{base}{path}");
        for _ in 0..GOOD_CONNECTIONS {
            load.spawn(&url, GOOD_RATE / GOOD_CONNECTIONS, Kind::Good(expected));
        }
        load.spawn(&url, GOOD_RATE / 4, Kind::Bad);
        for _ in 0..if flood { FLOOD_CONNECTIONS } else { 0 } {
            load.spawn(&url, FLOOD_RATE / FLOOD_CONNECTIONS, Kind::Flood);
        }
        load
    }

    fn spawn(&mut self, url: &str, rate: u32, kind: Kind) {
        let (url, tokens, tally, stop) = (url.to_owned(), self.tokens.clone(), self.tally.clone(), self.stop.clone());
        self.tasks.push(tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
            let mut number = 0_usize;
            while !stop.load(Ordering::Relaxed) {
                ticks.tick().await;
                number += 1;
                if let Some(token) = kind.token(&tokens, number) {
                    kind.send(&client, &url, &token, &tokens, &tally).await;
                }
            }
        }));
    }

    async fn end(self) -> Arc<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            _ = task.await;
        }
        self.tally
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Good(StatusCode),
    Bad,
    Flood,
}

impl Kind {
    #[allow(clippy::unwrap_used, reason = "nothing panics under this lock")]
    fn token(self, tokens: &Mutex<Tokens>, number: usize) -> Option<String> {
        let tokens = tokens.lock().unwrap();
        let from = |list: &[String]| list.get(number % list.len().max(1)).cloned();
        match self {
            Self::Good(_) => from(&tokens.good),
            Self::Bad => from(&tokens.bad),
            Self::Flood => tokens.bad.first().map(|token| with_unknown_kid(token, number)),
        }
    }

    #[allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        reason = "nothing panics under this lock; latencies are real"
    )]
    async fn send(self, client: &reqwest::Client, url: &str, token: &str, tokens: &Mutex<Tokens>, tally: &Tally) {
        let add = |counter: &AtomicUsize| _ = counter.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let status = client.get(url).bearer_auth(token).send().await.map(|answer| answer.status());
        let took = start.elapsed();
        match self {
            Self::Good(expected) => {
                // A token that was taken back while its request was under way may be answered either way.
                let still_good = tokens.lock().unwrap().good.iter().any(|good| good == token);
                if still_good {
                    add(&tally.good);
                    tally.latencies.lock().unwrap().push(took);
                    if status.ok() != Some(expected) {
                        add(&tally.wrongly_refused);
                    }
                }
            }
            Self::Bad => {
                add(&tally.bad);
                if status.is_ok_and(|status| status.is_success()) {
                    add(&tally.wrongly_accepted);
                }
            }
            Self::Flood => add(&tally.flood),
        }
    }
}

/// The same token with a `kid` that the server has not seen.
fn with_unknown_kid(token: &str, number: usize) -> String {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
    let rest = token.split_once('.').map_or("", |(_, rest)| rest);
    let header = format!(r#"{{"alg":"ES384","typ":"at+jwt","kid":"unknown-{number}-{:p}"}}"#, &raw const number);
    format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(header))
}

/// Median, p99 and worst, in microseconds.
#[allow(clippy::unwrap_used, reason = "nothing panics under this lock")]
fn quantiles(tally: &Tally) -> [u128; 3] {
    let mut latencies = tally.latencies.lock().unwrap();
    latencies.sort_unstable();
    [50, 99, 100].map(|percent| {
        let at = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies.get(at).map_or(0, Duration::as_micros)
    })
}
