use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client as Pool, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

use super::held::Held;
use super::lanes::Lanes;
use crate::gateway::Upstream;
use crate::net::Body;

pub(super) type Connector = HttpsConnector<HttpConnector>;

const CONNECT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);
const IDLE_CONNECTIONS: usize = 256;

/// Connections to upstreams, kept for the next request.
///
/// A request that a kept connection did not begin to send, since it had died, goes over another one.
pub(crate) struct Client {
    http1: Pool<Connector, Body>,
    http2: Lanes,
}

/// How often a connection of HTTP/2 is asked whether it is alive, and how long it may take to respond.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pings {
    pub(super) every: Duration,
    pub(super) within: Duration,
}

impl Default for Pings {
    fn default() -> Self {
        Self { every: Duration::from_secs(10), within: Duration::from_secs(10) }
    }
}

impl Client {
    /// # Errors
    ///
    /// Returns an error if the platform's root certificates cannot be used.
    pub(crate) fn new() -> io::Result<Self> {
        Self::with(Pings::default())
    }

    pub(super) fn with(pings: Pings) -> io::Result<Self> {
        let tls = || {
            let builder =
                HttpsConnectorBuilder::new().with_provider_and_platform_verifier(Arc::new(default_provider()));
            builder.map(HttpsConnectorBuilder::https_or_http).map_err(io::Error::other)
        };
        // A connection that might turn out to be of either version could carry no WebSocket, and no host but its own.
        let (http1, http2) = (tls()?.enable_http1().wrap_connector(tcp()), tls()?.enable_http2().wrap_connector(tcp()));
        Ok(Self { http1: builder().build(http1), http2: Lanes::new(http2, pings) })
    }

    /// Sends a request. Returns `None` if the upstream has as many open ones as it may have.
    pub(super) fn send(
        &self,
        upstream: &Upstream,
        request: Request<Body>,
    ) -> Option<impl Future<Output = Result<Response<Held>, Error>> + use<>> {
        let (sent, stream) = match upstream.http2 {
            Some(streams) => {
                let (pool, stream) = self.http2.take(upstream, streams)?;
                // An upload may go on after its response has ended.
                let request = request.map(|body| {
                    if body.is_end_stream() { body } else { Held::new(body, Some(stream.clone())).boxed_unsync() }
                });
                (pool.request(request), Some(stream))
            }
            None => (self.http1.request(request), None),
        };
        Some(async move { sent.await.map(|response| response.map(|body| Held::new(body, stream))) })
    }
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(IDLE));
    tcp.set_connect_timeout(Some(CONNECT));
    tcp
}

pub(super) fn builder() -> Builder {
    let mut builder = Pool::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http1_max_buf_size(256 * 1024);
    builder
}

#[cfg(test)]
mod tests;
