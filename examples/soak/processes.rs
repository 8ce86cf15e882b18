//! What runs beside the load: the application, the gateway and Redis.

use std::error::Error;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use orgate::testing::TestTenant;

use crate::launched::free_port;
use crate::measure::Usage;
use crate::{API, setting};

/// The application: streams say something now and then, everything else is a bare 200.
pub(crate) async fn application(fails: Arc<AtomicBool>) -> Result<u16, Box<dyn Error>> {
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
    let events = || async { events() };
    let router = axum::Router::new().route("/orgs/{org}/stream", any(events)).route("/orgs/{org}/changes", any(events));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move { axum::serve(listener, router.fallback(any(answer))).await });
    Ok(port)
}

fn events() -> Response {
    let ticks = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b": tick\n\n")), ()))
    });
    let mut response = Body::from_stream(ticks).into_response();
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    response
}

pub(crate) struct Gateway {
    pub(crate) port: u16,
    pub(crate) forward_auth: u16,
    pub(crate) ext_authz: u16,
    admin: u16,
    child: Option<Child>,
    client: reqwest::Client,
}

impl Gateway {
    pub(crate) fn start(folder: &Path, tenant: &TestTenant, upstream: u16, redis: u16) -> Result<Self, Box<dyn Error>> {
        let [port, forward_auth, ext_authz, admin] = std::array::from_fn(|_| free_port());
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
forward_auth = "127.0.0.1:{forward_auth}"
ext_authz = "127.0.0.1:{ext_authz}"
admin = "127.0.0.1:{admin}"

[forward_auth]
preset = "nginx"
path = "/auth"

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

[[route]]
path = "/orgs/{{org}}/changes"
policy = "resource in organization from path {{org}} and scope read"
upstream = "app"

[[route]]
path = "/orgs/{{org}}/stream"
policy = "resource in organization from path {{org}} and scope read and fresh within 60s"
upstream = "app"
"#
        );
        let path = folder.join("gateway.toml");
        std::fs::write(&path, text)?;
        let mut command = Command::new(setting("ORGATE_GATEWAY", "target/release/orgate"));
        command.args(["serve", "--config"]).arg(path).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(folder.join("log"))?);
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?;
        Ok(Self { port, forward_auth, ext_authz, admin, child: Some(command.spawn()?), client })
    }

    fn process(&self) -> Result<u32, Box<dyn Error>> {
        Ok(self.child.as_ref().ok_or("the gateway has ended")?.id())
    }

    pub(crate) async fn usage(&self) -> Result<Usage, Box<dyn Error>> {
        let metrics = self.client.get(format!("http://127.0.0.1:{}/metrics", self.admin)).send().await?;
        Usage::of(self.process()?, &metrics.text().await?)
    }

    /// Waits until it takes as little as before, a minute at most.
    pub(crate) async fn quiet(&self, idle: Usage) -> Result<Usage, Box<dyn Error>> {
        let mut usage = self.usage().await?;
        for _ in 0..120 {
            if !usage.is_more_than(&idle, 0) && usage.leases == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            usage = self.usage().await?;
        }
        Ok(usage)
    }

    /// Asks it to end. Returns what was wrong with its end.
    pub(crate) async fn stop(&mut self) -> Result<Option<String>, Box<dyn Error>> {
        let mut child = self.child.take().ok_or("the gateway has ended")?;
        Command::new("kill").arg(child.id().to_string()).status()?;
        let ended = tokio::task::spawn_blocking(move || child.wait()).await??;
        Ok((!ended.success()).then(|| format!("the gateway ended with {ended}")))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        end(self.child.as_mut());
    }
}

/// A server that can stand still, and be lost.
pub(crate) struct Redis {
    pub(crate) port: u16,
    child: Child,
}

impl Redis {
    pub(crate) fn start() -> Result<Self, Box<dyn Error>> {
        let port = free_port();
        Ok(Self { port, child: Self::spawn(port)? })
    }

    fn spawn(port: u16) -> Result<Child, Box<dyn Error>> {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
    }

    pub(crate) fn signal(&self, signal: &str) -> Result<(), Box<dyn Error>> {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        Ok(())
    }

    /// It comes back empty.
    pub(crate) fn restart(&mut self) -> Result<(), Box<dyn Error>> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = Self::spawn(self.port)?;
        Ok(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(Some(&mut self.child));
    }
}

pub(crate) fn end(child: Option<&mut Child>) {
    if let Some(child) = child {
        _ = child.kill();
        _ = child.wait();
    }
}
