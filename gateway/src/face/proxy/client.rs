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
use super::lane::Stream;
use super::lanes::Lanes;
use crate::gateway::Upstream;
use crate::net::Body;

pub(super) type Connector = HttpsConnector<HttpConnector>;

const CONNECT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);
const IDLE_CONNECTIONS: usize = 256;
/// How long a peer may be silent before the system asks whether it is there, how long it may take to respond, and how often it
/// is asked.
const SILENT: Duration = Duration::from_secs(10);
const PROBE: Duration = Duration::from_secs(5);
const PROBES: u32 = 2;

/// Connections to upstreams, kept for the next request.
///
/// A request that a kept connection did not begin to send, since it had died, goes over another one.
pub(crate) struct Client {
    http1: Pool<Connector, Body>,
    http2: Lanes,
}

/// A request that was sent, and its stream if that is one of HTTP/2.
pub(super) struct Sent<F> {
    pub(super) response: F,
    pub(super) stream: Option<Arc<Stream>>,
}

impl Client {
    /// # Errors
    ///
    /// Returns an error if the platform's root certificates cannot be used.
    pub(crate) fn new() -> io::Result<Self> {
        let tls = || {
            let builder =
                HttpsConnectorBuilder::new().with_provider_and_platform_verifier(Arc::new(default_provider()));
            builder.map(HttpsConnectorBuilder::https_or_http).map_err(io::Error::other)
        };
        // A connection that might turn out to be of either version could carry no WebSocket, and no host but its own.
        let (http1, http2) =
            (tls()?.enable_http1().wrap_connector(tcp()), tls()?.enable_http2().wrap_connector(watched_tcp()));
        Ok(Self { http1: builder().build(http1), http2: Lanes::new(http2) })
    }

    /// Sends a request. Returns `None` if the upstream has as many open ones as it may have.
    pub(super) fn send(
        &self,
        upstream: &Upstream,
        request: Request<Body>,
    ) -> Option<Sent<impl Future<Output = Result<Response<Held>, Error>> + use<>>> {
        let (sent, stream) = match upstream.http2 {
            Some(streams) => {
                let (pool, stream) = self.http2.take(upstream, streams)?;
                // An upload may go on after its response has ended.
                let request = request.map(|body| {
                    if body.is_end_stream() { body } else { Held::sent(body, stream.clone()).boxed_unsync() }
                });
                (pool.request(request), Some(stream))
            }
            None => (self.http1.request(request), None),
        };
        let open = stream.clone();
        let response = async move {
            let response = sent.await?;
            if let Some(stream) = &stream {
                stream.note_read();
            }
            Ok(response.map(|body| Held::received(body, stream)))
        };
        Some(Sent { response, stream: open })
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

/// Many requests share a connection of HTTP/2: a peer that is gone must be noticed soon, by what the system sends or asks.
fn watched_tcp() -> HttpConnector {
    let mut tcp = tcp();
    tcp.set_keepalive(Some(SILENT));
    tcp.set_keepalive_interval(Some(PROBE));
    tcp.set_keepalive_retries(Some(PROBES));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(SILENT + PROBE * PROBES));
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
