//! A server that the replicas share, and one of them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use orgate::change::redis::{Redis, WhenBehind};
use orgate::server::{Builder, IssuerHandle};
use orgate::testing::TestIssuer;
use orgate::time::SystemClock;
use orgate::{Issuer, ResourceServer};

pub(crate) const API: &str = "https://api.example.com";

/// `redis-server`. Stopped at the end.
pub(crate) struct Store {
    child: Child,
    port: u16,
}

impl Store {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        drop(listener);
        let program = std::env::var("ORGATE_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]).stdout(Stdio::null());
        let store = Self { child: command.spawn().expect("redis-server must be installed"), port };
        while !store.ask(&["PING"]).contains("PONG") {
            std::thread::sleep(Duration::from_millis(10));
        }
        store
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(command).output();
        String::from_utf8_lossy(&output.expect("redis-cli must be installed").stdout).trim().to_owned()
    }

    /// An empty table that is not new: no replica waits for others to push what they know.
    pub(crate) fn reset(&self) {
        self.ask(&["FLUSHALL"]);
        self.ask(&["HSET", "{orgate:1:bench}:facts", "#gen", "1700000000000", "#seq", "0", "#tip", "-", "#whole", "1"]);
    }

    /// The processor time that it has used, in seconds.
    pub(crate) fn used(&self) -> f64 {
        let text = self.ask(&["INFO", "cpu"]);
        let of = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)?.parse::<f64>().ok());
        of("used_cpu_sys:").unwrap_or_default() + of("used_cpu_user:").unwrap_or_default()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

pub(crate) struct Replica {
    pub(crate) server: ResourceServer,
}

pub(crate) fn builder(issuer: impl Into<Issuer>) -> Builder {
    ResourceServer::builder(issuer, API).clock(SystemClock::new())
}

impl Replica {
    /// One that is current.
    pub(crate) async fn join(issuer: impl Into<Issuer>, url: &str) -> Self {
        // What is measured is the way of changes, however busy the machine is.
        let redis = Redis::builder(url, "bench").when_behind(WhenBehind::Refuse).bound(Duration::from_secs(120));
        let server = builder(issuer).change_log(redis.build().expect("settings")).build().expect("a server");
        while !server.change_log().is_some_and(|log| log.is_current) {
            _ = server.ready().await;
        }
        Self { server }
    }

    pub(crate) fn entry(&self) -> IssuerHandle {
        self.server.issuers().remove(0)
    }
}

pub(crate) async fn issuer() -> TestIssuer {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    TestIssuer::builder().clock(orgate::testing::TestClock::new(now)).start().await
}

/// A path of this process.
pub(crate) fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("orgate-bench-{name}-{}", std::process::id()))
}

pub(crate) fn remove(path: &std::path::Path) {
    for ending in ["", ".lock", ".new"] {
        _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
}

/// Of sorted times.
pub(crate) fn quantile(times: &[f64], part: usize) -> f64 {
    times[(times.len() - 1) * part / 100]
}
