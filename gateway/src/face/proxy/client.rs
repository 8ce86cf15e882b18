use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

use crate::gateway::Upstream;
use crate::net::Body;

const CONNECT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);
const IDLE_CONNECTIONS: usize = 256;

/// Connections to upstreams, kept for the next request.
///
/// A request that a kept connection did not begin to send, since it had died, goes over another one.
pub(crate) struct Client {
    http1: Pool<HttpsConnector<HttpConnector>, Body>,
    http2: Pool<HttpsConnector<HttpConnector>, Body>,
}

impl Client {
    /// # Errors
    ///
    /// Returns an error if the platform's root certificates cannot be used.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { http1: pool(false)?, http2: pool(true)? })
    }

    pub(crate) async fn send(&self, upstream: &Upstream, request: Request<Body>) -> Result<Response<Incoming>, Error> {
        if upstream.http2 { self.http2.request(request).await } else { self.http1.request(request).await }
    }
}

fn pool(http2_only: bool) -> io::Result<Pool<HttpsConnector<HttpConnector>, Body>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(IDLE));
    tcp.set_connect_timeout(Some(CONNECT));
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_platform_verifier(Arc::new(default_provider()))
        .map_err(io::Error::other)?
        .https_or_http();
    let connector =
        if http2_only { tls.enable_http2().wrap_connector(tcp) } else { tls.enable_all_versions().wrap_connector(tcp) };
    let mut builder = Pool::builder(TokioExecutor::new());
    builder
        .http2_only(http2_only)
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http1_max_buf_size(256 * 1024);
    Ok(builder.build(connector))
}
