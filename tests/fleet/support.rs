//! Replicas that listen, and how they are asked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use orgate::ResourceServer;
use orgate::change::FileLog;
use orgate::logto::webhooks::SigningKeys;
use orgate::policy::authenticated;
use orgate::server::{Builder, IssuerHandle};
use orgate::testing::{TestIssuer, WebhookDelivery};
use orgate::time::Clock as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const API: &str = "https://api.example.com";
pub(crate) const HOOK: &str = "the hook's signing key";

/// A server that listens on loopback, in this process.
pub(crate) struct Replica {
    pub(crate) server: ResourceServer,
    pub(crate) address: SocketAddr,
    pub(crate) router: axum::Router,
    listening: tokio::task::JoinHandle<()>,
}

impl Replica {
    pub(crate) async fn plain(builder: Builder) -> Self {
        Self::start(builder, HOOK).await
    }

    pub(crate) async fn start(builder: Builder, hook: &str) -> Self {
        let server = builder.build().unwrap();
        let hook = server.issuers()[0].webhooks(SigningKeys::new([hook]).unwrap());
        let guard =
            server.guard().any("/", async || "passed", authenticated().any_issuer()).public("/hook", hook.endpoint());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router: axum::Router = guard.into_router().unwrap();
        let app = router.clone();
        let listening = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { server, address, router, listening }
    }

    pub(crate) fn entry(&self) -> IssuerHandle {
        self.server.issuers()[0].clone()
    }

    /// The status, and what the body says is to be done.
    pub(crate) async fn get(&self, token: &str) -> (u16, String) {
        get(self.address, token).await
    }

    /// Delivers a webhook: the status.
    pub(crate) async fn deliver(&self, delivery: WebhookDelivery) -> u16 {
        let (headers, body) = delivery.into_parts();
        let request = reqwest::Client::new().post(format!("http://{}/hook", self.address)).headers(headers).body(body);
        request.send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn status(&self, token: &str) -> u16 {
        self.get(token).await.0
    }

    /// Asks until the status is this one.
    pub(crate) async fn becomes(&self, token: &str, status: u16) {
        let mut last = 0;
        for _ in 0..2000 {
            last = self.status(token).await;
            if last == status {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("it stays {last} and does not become {status}");
    }

    pub(crate) async fn stop(self) {
        self.listening.abort();
        _ = self.listening.await;
        drop((self.server, self.router));
    }

    /// Until its file can be opened: connections that are ending hold the server a moment longer.
    pub(crate) async fn stop_and_close(self, file: &Path) {
        self.stop().await;
        for _ in 0..2000 {
            match FileLog::open(file) {
                Ok(_) => return,
                Err(error) => assert!(error.to_string().contains("another process"), "{error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("the file is never closed");
    }
}

/// By hand: thousands of these are sent, and a client of its own for each would cost more than all the rest.
pub(crate) async fn get(address: SocketAddr, token: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET / HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let status = response.split(' ').nth(1).unwrap().parse().unwrap();
    let body = response.split_once("\r\n\r\n").unwrap().1;
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    (status, body["remediation"].as_str().unwrap_or_default().to_owned())
}

pub(crate) fn builder(issuer: &TestIssuer) -> Builder {
    ResourceServer::builder(issuer.url(), API).clock(issuer.clock())
}

pub(crate) fn now(issuer: &TestIssuer) -> SystemTime {
    SystemTime::UNIX_EPOCH + issuer.clock().now().unix
}

/// A path in a directory of its own, removed at the end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("orgate-fleet-{}-{number}", std::process::id()));
        _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}
