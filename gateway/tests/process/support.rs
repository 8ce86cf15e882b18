//! The program itself, with an issuer and an application around it.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const RESOURCE: &str = "https://api.example.com";

/// A program that serves. It is killed with the value.
pub(crate) struct Running {
    pub(crate) proxy: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) path: PathBuf,
    pub(crate) child: Child,
    folder: TempDir,
}

pub(crate) fn orgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orgate"));
    command.stdin(Stdio::null()).env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET");
    command
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A file without upstreams and routes, for an issuer at this URL.
pub(crate) fn beginning(issuer: &str) -> String {
    format!(
        "[api]\nresource = \"{RESOURCE}\"\npublic_url = \"{RESOURCE}\"\nverification_queue = [1024, \"5s\"]\n\
         [[issuer]]\nname = \"customers\"\nurl = \"{issuer}\"\n\
         [listen]\nproxy = \"{{proxy}}\"\nadmin = \"{{admin}}\"\n"
    )
}

impl Running {
    /// Starts with this file, in which `{proxy}`, `{admin}` stand for addresses, and waits until it serves.
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_with(text, |_| {}).await
    }

    pub(crate) async fn start_with(text: &str, adapt: impl FnOnce(&mut Command)) -> Self {
        let (proxy, admin, folder) = (free_address(), free_address(), tempfile::tempdir().unwrap());
        let path = folder.path().join("gateway.toml");
        let text = text.replace("{proxy}", &proxy.to_string()).replace("{admin}", &admin.to_string());
        std::fs::write(&path, text).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = orgate();
        command.args(["serve", "--config"]).arg(&path).stderr(log).stdout(Stdio::null());
        adapt(&mut command);
        let mut running = Self { proxy, admin, path, child: command.spawn().unwrap(), folder };
        running.live().await;
        running
    }

    /// Starts it once more after it has ended, with the same file.
    pub(crate) async fn again(&mut self) {
        let log = std::fs::OpenOptions::new().append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = orgate();
        command.args(["serve", "--config"]).arg(&self.path).stderr(log).stdout(Stdio::null());
        self.child = command.spawn().unwrap();
        self.live().await;
    }

    async fn live(&mut self) {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended with {status}: {}", self.log());
            }
            if TcpStream::connect(self.admin).await.is_ok() && self.admin("/live").await.starts_with("HTTP/1.1 200") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it never served: {}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        std::fs::File::open(self.folder.path().join("log")).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        for _ in 0..1000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it did not end: {}", self.log());
    }

    pub(crate) async fn admin(&self, path: &str) -> String {
        get(self.admin, path, "").await.unwrap_or_default()
    }

    /// Returns the value of a metric, zero where it is absent.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let metrics = self.admin("/metrics").await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// Returns the most memory that it has held so far, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Asks on a connection of its own, and returns the whole response.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut response)).await??;
    Ok(String::from_utf8_lossy(&response).into_owned())
}

/// Returns the status code of a response, 0 for none.
pub(crate) fn status(response: &str) -> u16 {
    response.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}
