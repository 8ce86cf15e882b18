//! A soak run: the gateway as a process, with Redis, a whole Logto tenant and an application, under steady load while people
//! are suspended, removed and restored, and while issuer, Redis and application fail at random.
//!
//! ```text
//! cargo build --release -p orgate-gateway
//! ORGATE_SOAK_SECONDS=120 ORGATE_GATEWAY=target/release/orgate cargo run --release --example soak
//! ```
//!
//! Every response is compared with a model of who may pass. Once a webhook was acknowledged, its subject must not pass;
//! while nothing fails, whoever may pass must. A line shows what was answered and what the gateway takes of memory,
//! descriptors and threads. It ends with an error if an answer was wrong, if memory grew after a sixth of the time, or if
//! descriptors or threads are left.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a run that measures"
)]

use std::error::Error;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::http::StatusCode;
use axum::routing::any;
use orgate::testing::{RoleType, TestClock, TestTenant, WebhookDelivery};

const API: &str = "https://api.example.com";
const USERS: usize = 64;
const CONNECTIONS: usize = 16;
/// A fault counts for so long after it has ended: Redis is found again, keys are fetched again.
const AFTERMATH: Duration = Duration::from_secs(15);
/// What the allocator keeps of what was used for a moment.
const SLACK_KIB: u64 = 16 * 1024;

/// One subject, a member of one organization.
struct User {
    id: String,
    organization: String,
    state: Mutex<Truth>,
}

/// What is known of a subject. While a change is under way, either answer is right.
#[derive(Clone)]
struct Truth {
    may_pass: bool,
    /// Taken out of its organization, not suspended.
    is_removed: bool,
    changes: u64,
    is_settled: bool,
    token: String,
}

#[derive(Default)]
struct Tally {
    passed: AtomicU64,
    rejected: AtomicU64,
    unavailable: AtomicU64,
    changes: AtomicU64,
    faults: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

struct Soak {
    tenant: TestTenant,
    clock: TestClock,
    users: Vec<User>,
    gateway: String,
    client: reqwest::Client,
    tally: Tally,
    /// When a fault began or ended last.
    fault: Mutex<Option<Instant>>,
    is_failing: AtomicBool,
    upstream_fails: Arc<AtomicBool>,
    is_over: AtomicBool,
    /// Between two requests of a connection.
    pause: Mutex<Duration>,
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[tokio::main]
#[allow(clippy::disallowed_methods, reason = "the load runs in real time")]
async fn main() -> Result<(), Box<dyn Error>> {
    let seconds: u64 = setting("ORGATE_SOAK_SECONDS", "120").parse()?;
    let seed: u64 = setting("ORGATE_SOAK_SEED", "1").parse()?;
    let wall = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let clock = TestClock::new(wall());
    let tenant = TestTenant::builder().clock(clock.clone()).start().await;
    let users = people(&tenant);
    let upstream_fails = Arc::new(AtomicBool::new(false));
    let upstream = application(upstream_fails.clone()).await?;
    let mut redis = Redis::start()?;
    let folder = std::env::temp_dir().join(format!("orgate-soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (mut process, gateway) = start_gateway(&folder, &tenant, upstream, redis.port)?;
    let soak = Arc::new(Soak {
        users,
        gateway,
        client: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?,
        tally: Tally::default(),
        // At full load, and with tokens that are all new, some are put off.
        fault: Mutex::new(Some(Instant::now() + Duration::from_secs(5))),
        is_failing: AtomicBool::new(false),
        upstream_fails,
        is_over: AtomicBool::new(false),
        pause: Mutex::new(Duration::ZERO),
        tenant,
        clock,
    });
    soak.until_served().await?;
    let idle = Usage::of(process.id())?;
    let moving = tokio::spawn({
        let soak = soak.clone();
        async move {
            while !soak.is_over() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                soak.clock.set_wall(wall());
            }
        }
    });
    let load: Vec<_> = (0..CONNECTIONS).map(|at| tokio::spawn(soak.clone().load(seed * 1000 + at as u64))).collect();
    // Half of what it can do.
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let capacity = soak.tally.answers() as f64 / began.elapsed().as_secs_f64();
    *soak.pause.lock().unwrap() = Duration::from_secs_f64(2.0 * CONNECTIONS as f64 / capacity.max(1.0));
    println!("capacity {capacity:.0} requests/s; from now on half of it; idle: {idle}");
    let changing = tokio::spawn(soak.clone().change(seed));

    let mut random = Random(seed + 77);
    let (started, mut warm) = (Instant::now(), None);
    let mut most_after = idle;
    while started.elapsed() < Duration::from_secs(seconds) {
        soak.fail(&mut redis, &mut random).await?;
        let usage = Usage::of(process.id())?;
        println!("{:5} s  {}  {usage}", started.elapsed().as_secs(), soak.tally);
        if started.elapsed() > Duration::from_secs(seconds / 6) {
            let warm = *warm.get_or_insert(usage);
            most_after.memory_kib = most_after.memory_kib.max(usage.memory_kib);
            if usage.memory_kib > warm.memory_kib + warm.memory_kib / 4 + SLACK_KIB {
                soak.wrong(format!("memory grew from {warm} to {usage}"));
            }
        }
    }
    soak.is_over.store(true, Ordering::SeqCst);
    for task in load.into_iter().chain([changing, moving]) {
        task.await?;
    }
    let answered = soak.tally.answers();
    let left = quiet(process.id(), idle).await?;
    println!("at the end {left}, idle {idle}, most after a sixth of the time {} KiB", most_after.memory_kib);
    if left.descriptors > idle.descriptors + CONNECTIONS as u64 + 8 || left.threads > idle.threads + 2 {
        soak.wrong(format!("idle {idle}, at the end {left}"));
    }
    // All tasks end when the process is asked to: else it would be killed here.
    Command::new("kill").arg(process.id().to_string()).status()?;
    let ended = tokio::task::spawn_blocking(move || process.wait()).await??;
    if !ended.success() {
        soak.wrong(format!("the gateway ended with {ended}"));
    }
    std::fs::remove_dir_all(&folder)?;
    println!("{answered} answers in {seconds} s: {}", soak.tally);
    let wrong = soak.tally.wrong.lock().unwrap();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{:#?}", &wrong[..wrong.len().min(10)]).into()) }
}

/// Users of a handful of organizations, each with the scope of the routes.
fn people(tenant: &TestTenant) -> Vec<User> {
    tenant.add_resource(API, &["read"]);
    tenant.add_organization_role("reader", RoleType::User, &[]);
    tenant.add_resource_scope_to_organization_role("reader", API, "read");
    for organization in 0..8 {
        tenant.add_organization(&format!("org{organization}"));
    }
    let user = |at: usize| {
        let (id, organization) = (format!("user{at}"), format!("org{}", at % 8));
        tenant.add_user(&id);
        tenant.add_member(&organization, &id);
        tenant.give_organization_role(&organization, &id, "reader");
        let token = mint(tenant, &id, &organization);
        User {
            id,
            organization,
            state: Mutex::new(Truth { may_pass: true, is_removed: false, changes: 0, is_settled: true, token }),
        }
    };
    let users = (0..USERS).map(user).collect();
    _ = tenant.take_deliveries();
    users
}

fn mint(tenant: &TestTenant, user: &str, organization: &str) -> String {
    let token = tenant.issuer().organization_resource_token(API, organization).subject(user).client("web");
    token.scope("read").expires_in(Duration::from_secs(7200)).mint()
}

async fn application(fails: Arc<AtomicBool>) -> Result<u16, Box<dyn Error>> {
    let answer = move || {
        let fails = fails.clone();
        async move {
            if fails.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(300)).await;
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            StatusCode::OK
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(any(answer))).await });
    Ok(port)
}

fn free_port() -> Result<u16, Box<dyn Error>> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn start_gateway(
    folder: &std::path::Path,
    tenant: &TestTenant,
    upstream: u16,
    redis: u16,
) -> Result<(Child, String), Box<dyn Error>> {
    let port = free_port()?;
    let ((id, secret), issuer) = (tenant.management_client(), tenant.issuer().url());
    let (origin, hook) = (tenant.origin(), tenant.signing_key());
    let text = format!(
        r#"[api]
resource = "{API}"
public_url = "{API}"
# Else a busy machine would put off new tokens, which is no fault.
verification_queue = [1024, "5s"]

[[issuer]]
name = "customers"
url = "{issuer}"

[issuer.logto_management]
endpoint = "{origin}"
client_id = "{id}"
client_secret = "{secret}"
self_hosted = true

[listen]
proxy = "127.0.0.1:{port}"

[limits]
drain = "5s"

[state]
redis = "redis://127.0.0.1:{redis}"
name = "soak"
when_behind = "refuse"
after_loss = "go_on"

[[webhooks]]
path = "/webhooks/logto"
issuer = "customers"
signing_keys = ["{hook}"]

[upstream.app]
url = "http://127.0.0.1:{upstream}"

[[route]]
path = "/orgs/{{org}}/orders"
policy = "resource in organization from path {{org}} and scope read"
upstream = "app"

[[route]]
path = "/orgs/{{org}}/live"
policy = "resource in organization from path {{org}} and scope read and fresh within 10s"
upstream = "app"
"#
    );
    let path = folder.join("gateway.toml");
    std::fs::write(&path, text)?;
    let mut command = Command::new(setting("ORGATE_GATEWAY", "target/release/orgate"));
    command.args(["serve", "--config"]).arg(path).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(std::fs::File::create(folder.join("log"))?);
    Ok((command.spawn()?, format!("http://127.0.0.1:{port}")))
}

/// A server that can stand still, and be lost.
struct Redis {
    port: u16,
    child: Child,
}

impl Redis {
    fn start() -> Result<Self, Box<dyn Error>> {
        let port = free_port()?;
        Ok(Self { port, child: Self::spawn(port)? })
    }

    fn spawn(port: u16) -> Result<Child, Box<dyn Error>> {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
    }

    fn signal(&self, signal: &str) -> Result<(), Box<dyn Error>> {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        Ok(())
    }

    /// It comes back empty.
    fn restart(&mut self) -> Result<(), Box<dyn Error>> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = Self::spawn(self.port)?;
        Ok(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[allow(clippy::disallowed_methods, reason = "the load runs in real time")]
impl Soak {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn wrong(&self, what: String) {
        println!("WRONG: {what}");
        self.tally.wrong.lock().unwrap().push(what);
    }

    /// Whether something fails, or did a moment ago.
    fn is_troubled(&self, since: Instant) -> bool {
        let last = *self.fault.lock().unwrap();
        self.is_failing.load(Ordering::SeqCst) || last.is_some_and(|last| last + AFTERMATH > since)
    }

    async fn until_served(&self) -> Result<(), Box<dyn Error>> {
        for _ in 0..300 {
            let (status, _) = self.ask(&self.users[0], "orders").await;
            if status == 200 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the gateway does not serve".into())
    }

    async fn ask(&self, user: &User, route: &str) -> (u16, Truth) {
        let before = user.state.lock().unwrap().clone();
        let url = format!("{}/orgs/{}/{route}", self.gateway, user.organization);
        let response = self.client.get(url).bearer_auth(&before.token).send().await;
        (response.map_or(0, |response| response.status().as_u16()), before)
    }

    async fn load(self: Arc<Self>, seed: u64) {
        let mut random = Random(seed);
        while !self.is_over() {
            let user = &self.users[random.below(USERS)];
            let route = if random.below(4) == 0 { "live" } else { "orders" };
            let began = Instant::now();
            let (status, before) = self.ask(user, route).await;
            let after = user.state.lock().unwrap().clone();
            self.judge(user, route, status, &before, &after, began);
            let pause = *self.pause.lock().unwrap();
            tokio::time::sleep(pause.saturating_sub(began.elapsed())).await;
        }
    }

    fn judge(&self, user: &User, route: &str, status: u16, before: &Truth, after: &Truth, began: Instant) {
        let count = match status {
            200 => &self.tally.passed,
            401 | 403 => &self.tally.rejected,
            _ => &self.tally.unavailable,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let is_certain = before.is_settled && after.is_settled && before.changes == after.changes;
        if !is_certain {
            return;
        }
        let is_right = match (before.may_pass, status) {
            (true, 200) => true,
            (false, status) => matches!(status, 401 | 403) || status != 200 && self.is_troubled(began),
            // Nothing was wrong with the token, and nothing else is to be told so either.
            (true, status) => status != 200 && self.is_troubled(began),
        };
        if !is_right {
            let name = if before.may_pass { "may pass" } else { "may not pass" };
            self.wrong(format!("{} at {route}, who {name}: {status}", user.id));
        }
    }

    /// Takes away and gives back, one subject at a time.
    async fn change(self: Arc<Self>, seed: u64) {
        let mut random = Random(seed + 5);
        while !self.is_over() {
            let user = &self.users[random.below(USERS)];
            let (may_pass, is_removal) = {
                let mut state = user.state.lock().unwrap();
                (state.is_settled, state.changes) = (false, state.changes + 1);
                if state.may_pass {
                    state.is_removed = random.below(2) == 0;
                }
                (state.may_pass, state.is_removed)
            };
            match (may_pass, is_removal) {
                (true, false) => self.tenant.suspend(&user.id),
                (true, true) => self.tenant.remove_member(&user.organization, &user.id),
                (false, false) => self.tenant.unsuspend(&user.id),
                (false, true) => {
                    self.tenant.add_member(&user.organization, &user.id);
                    self.tenant.give_organization_role(&user.organization, &user.id, "reader");
                }
            }
            for delivery in self.tenant.take_deliveries() {
                self.deliver(&delivery).await;
            }
            let mut token = None;
            if !may_pass {
                // Tokens of the second of a change count as older than it.
                tokio::time::sleep(Duration::from_millis(2100)).await;
                token = Some(mint(&self.tenant, &user.id, &user.organization));
            }
            {
                let mut state = user.state.lock().unwrap();
                (state.is_settled, state.may_pass) = (true, !may_pass);
                state.token = token.unwrap_or_else(|| state.token.clone());
            }
            self.tally.changes.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Until it is acknowledged: a gateway that cannot keep it says so.
    async fn deliver(&self, delivery: &WebhookDelivery) {
        let began = Instant::now();
        loop {
            let request = self.client.post(format!("{}/webhooks/logto", self.gateway));
            let request = request.headers(delivery.headers().clone()).body(delivery.body().clone());
            let status = request.send().await.map_or(0, |response| response.status().as_u16());
            if status == 200 {
                return;
            }
            if began.elapsed() > Duration::from_secs(60) {
                return self.wrong(format!("a webhook was not taken within a minute: {status}"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// A calm time, or a fault for a few seconds.
    async fn fail(&self, redis: &mut Redis, random: &mut Random) -> Result<(), Box<dyn Error>> {
        // Calm longer than a fault has an aftermath, so that there are times without any excuse.
        tokio::time::sleep(AFTERMATH + Duration::from_millis(2000 + random.below(6000) as u64)).await;
        let lasting = Duration::from_millis(500 + random.below(3500) as u64);
        self.tally.faults.fetch_add(1, Ordering::Relaxed);
        self.is_failing.store(true, Ordering::SeqCst);
        match random.below(4) {
            0 => {
                self.tenant.issuer().take_down();
                tokio::time::sleep(lasting).await;
                self.tenant.issuer().bring_up();
            }
            1 => {
                redis.signal("-STOP")?;
                tokio::time::sleep(lasting).await;
                redis.signal("-CONT")?;
            }
            2 => redis.restart()?,
            _ => {
                self.upstream_fails.store(true, Ordering::SeqCst);
                tokio::time::sleep(lasting).await;
                self.upstream_fails.store(false, Ordering::SeqCst);
            }
        }
        *self.fault.lock().unwrap() = Some(Instant::now());
        self.is_failing.store(false, Ordering::SeqCst);
        Ok(())
    }
}

impl Tally {
    fn answers(&self) -> u64 {
        [&self.passed, &self.rejected, &self.unavailable].iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [passed, rejected, unavailable, changes, faults] =
            [&self.passed, &self.rejected, &self.unavailable, &self.changes, &self.faults]
                .map(|count| count.load(Ordering::Relaxed));
        let wrong = self.wrong.lock().map_or(0, |wrong| wrong.len());
        write!(
            f,
            "{passed} passed, {rejected} rejected, {unavailable} unavailable, {changes} changes, {faults} faults, {wrong} wrong"
        )
    }
}

/// What a process takes, as the kernel says.
#[derive(Clone, Copy)]
struct Usage {
    memory_kib: u64,
    descriptors: u64,
    threads: u64,
}

impl Usage {
    fn of(process: u32) -> Result<Self, Box<dyn Error>> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Ok(Self {
            memory_kib: number("VmRSS:").ok_or("no VmRSS")?,
            threads: number("Threads:").ok_or("no Threads")?,
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd"))?.count() as u64,
        })
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} KiB, {} descriptors, {} threads", self.memory_kib, self.descriptors, self.threads)
    }
}

/// Waits until as few descriptors are open as before, ten seconds at most.
async fn quiet(process: u32, idle: Usage) -> Result<Usage, Box<dyn Error>> {
    let mut usage = Usage::of(process)?;
    for _ in 0..100 {
        if usage.descriptors <= idle.descriptors {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        usage = Usage::of(process)?;
    }
    Ok(usage)
}

/// A sequence that a seed repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) % end as u64) as usize
    }
}
