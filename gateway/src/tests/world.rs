use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use orgate::testing::TestIssuer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Recorder;
use crate::compile::{Purpose, compile};
use crate::config::load;
use crate::face::Current;
use crate::gateway::Face;
use crate::serve::{Started, close, start};
use crate::telemetry;

pub(super) const RESOURCE: &str = "https://api.example.com";

/// The routes of the attacks: what each may do is told there.
const ROUTES: &str = r#"
[[route]]
path = "/public/{*rest}"
methods = ["GET"]
public = true
upstream = "application"

[[route]]
path = "/slow"
public = true
upstream = "slow"

[[route]]
path = "/orgs/{org}/orders"
methods = ["GET", "POST"]
policy = "resource in organization from path {org} and scope read:orders"
upstream = "application"

[[route]]
path = "/orgs/{org}/orders/{id}"
methods = ["GET"]
policy = "resource in organization from path {org} and scope read:orders"
upstream = "application"

[[route]]
path = "/orgs/{org}/orders/{id}"
methods = ["DELETE"]
policy = "resource in organization from path {org} and scope delete:orders"
upstream = "application"

[[route]]
path = "/orders"
methods = ["GET"]
policy = "resource in organization from subdomain of example.com and scope read:orders"
upstream = "application"

[[route]]
path = "/header/orders"
methods = ["GET"]
policy = "resource in organization from header x-organization-id and scope read:orders"
upstream = "application"

[path]
trailing_slash = "same"
"#;

/// An issuer, an application, and a gateway with its faces between them.
pub(super) struct World {
    pub(super) issuer: Arc<TestIssuer>,
    pub(super) application: Recorder,
    pub(super) current: Current,
    pub(super) addresses: BTreeMap<Face, SocketAddr>,
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) token: String,
    stop: watch::Sender<bool>,
    faces: JoinSet<()>,
    _folder: TempDir,
}

impl World {
    pub(super) async fn start() -> Self {
        Self::with("nginx", "").await
    }

    /// `more` are further tables of the file.
    pub(super) async fn with(preset: &str, more: &str) -> Self {
        let issuer = Arc::new(TestIssuer::start().await);
        Self::of(issuer, preset, |text| format!("{text}\n{more}")).await
    }

    /// Changes the text of the file before it is read.
    pub(super) async fn of(issuer: Arc<TestIssuer>, preset: &str, adapt: impl FnOnce(String) -> String) -> Self {
        telemetry::start();
        let application = Recorder::start().await;
        let text = format!(
            "[api]\nresource = \"{RESOURCE}\"\npublic_url = \"https://api.example.com\"\n\
             [[issuer]]\nname = \"customers\"\nurl = \"{}\"\n\
             [listen]\nproxy = \"127.0.0.1:0\"\nforward_auth = \"127.0.0.1:0\"\next_authz = \"127.0.0.1:0\"\n\
             admin = \"127.0.0.1:0\"\n\
             [forward_auth]\npreset = \"{preset}\"\n\
             [upstream.application]\nurl = \"http://{}\"\ntimeout = \"20s\"\n\
             [upstream.slow]\nurl = \"http://{}\"\ntimeout = \"500ms\"\n{ROUTES}",
            issuer.url(),
            application.address,
            application.address,
        );
        let text = adapt(text);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, &text).unwrap();
        let gateway = load(&path).and_then(|loaded| compile(loaded, Purpose::Serve)).unwrap();
        let current: Current = Arc::new(ArcSwap::from_pointee(gateway));
        let (stop, stopped) = watch::channel(false);
        let Started { faces, addresses } = start(&current, &stopped).await.unwrap();
        let token = issuer
            .organization_resource_token(RESOURCE, "acme")
            .subject("u1")
            .client("web")
            .scope("read:orders")
            .mint();
        Self { issuer, application, current, addresses, path, text, token, stop, faces, _folder: folder }
    }

    /// Takes on the file with a change.
    pub(super) fn reload(&self, change: impl Fn(&str) -> String) {
        std::fs::write(&self.path, change(&self.text)).unwrap();
        let before = self.current.load_full();
        self.current.store(compile(load(&self.path).unwrap(), Purpose::Replace(&before)).unwrap().into());
    }

    /// Stops as the program does when it is told to, and waits until nothing is served any more.
    pub(super) async fn close(&mut self) {
        close(&self.current, &self.stop, &mut self.faces).await;
    }

    /// Sends bytes to a face, and returns everything that comes back.
    pub(super) async fn raw(&self, face: Face, request: impl AsRef<[u8]>) -> String {
        exchange(self.addresses[&face], request).await
    }

    /// Sends one request of HTTP/1.1 with these header lines through the proxy face, and returns the response.
    pub(super) async fn ask(&self, request_line: &str, headers: &str) -> String {
        let headers = headers.replace("{{TOKEN}}", &self.token);
        let request = format!("{request_line} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n{headers}\r\n");
        self.raw(Face::Proxy, request).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        _ = self.stop.send(true);
    }
}

/// Sends bytes to an address, and returns everything that comes back.
pub(super) async fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    converse(TcpStream::connect(address).await.unwrap(), request).await
}

/// Sends bytes over a connection, and returns everything that comes back.
pub(super) async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: impl AsRef<[u8]>) -> String {
    stream.write_all(request.as_ref()).await.unwrap();
    let mut response = Vec::new();
    // What the server leaves open is read until it has been silent for a while.
    loop {
        let mut chunk = [0; 4096];
        match tokio::time::timeout(Duration::from_millis(1500), stream.read(&mut chunk)).await {
            Ok(Ok(read)) if read > 0 => response.extend_from_slice(&chunk[..read]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&response).into_owned()
}

/// Returns the status code of a response.
pub(super) fn status(response: &str) -> u16 {
    response.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}
