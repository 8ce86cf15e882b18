//! Opens connections: straight to a server, or through a proxy.

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use rustls::ClientConfig;
use tower_service::Service;

use super::proxy::Proxy;
use crate::future::BoxFuture;

type BoxError = Box<dyn Error + Send + Sync>;

/// Opens connections to servers. Without TLS settings, to plain `http` only.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    tls: Option<Arc<ClientConfig>>,
    proxy: Option<Arc<Proxy>>,
    user_agent: HeaderValue,
    limit: Duration,
}

impl Connector {
    pub(super) fn new(
        tls: Option<ClientConfig>,
        proxy: Option<Arc<Proxy>>,
        user_agent: HeaderValue,
        limit: Duration,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        // Which schemes there are, `to` says.
        tcp.enforce_http(false);
        Self { tcp, tls: tls.map(Arc::new), proxy, user_agent, limit }
    }

    async fn open(self, to: Uri) -> Result<Stream, BoxError> {
        let is_secure = to.scheme() == Some(&Scheme::HTTPS);
        match self.proxy.clone() {
            None => self.to(to).await.map(|io| Stream { io, is_forwarded: false }),
            Some(proxy) if is_secure => self.through(&proxy, to).await,
            Some(proxy) => self.to(proxy.url.clone()).await.map(|io| Stream { io, is_forwarded: true }),
        }
    }

    /// A connection to a server or a proxy, with TLS if its URL says so.
    async fn to(&self, url: Uri) -> Result<Box<dyn Io>, BoxError> {
        if url.scheme() == Some(&Scheme::HTTP) {
            return Ok(Box::new(call(self.tcp.clone(), url).await?));
        }
        let secure = HttpsConnector::from((self.tcp.clone(), self.tls()?));
        Ok(Box::new(call(secure, url).await?))
    }

    /// TLS to the server in a tunnel through the proxy: the proxy sees the name of the server, and nothing else.
    async fn through(&self, proxy: &Proxy, to: Uri) -> Result<Stream, BoxError> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, self.user_agent.clone());
        headers.extend(proxy.authorization.clone().map(|value| (PROXY_AUTHORIZATION, value)));
        let to_proxy = ToProxy(self.clone());
        let tunnel = Tunnel::new(proxy.url.clone(), to_proxy).with_headers(headers);
        let io = call(HttpsConnector::from((tunnel, self.tls()?)), to).await?;
        Ok(Stream { io: Box::new(io), is_forwarded: false })
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, BoxError> {
        self.tls.clone().ok_or_else(|| "a client for plain http".into())
    }
}

async fn call<S: Service<Uri>>(mut service: S, url: Uri) -> Result<S::Response, BoxError>
where
    S::Error: Into<BoxError>,
{
    poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
    service.call(url).await.map_err(Into::into)
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Stream, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (limit, opening) = (self.limit, self.clone().open(to));
        Box::pin(async move {
            let opened = tokio::time::timeout(limit, opening).await;
            opened.unwrap_or_else(|_| Err(format!("no connection within {limit:?}").into()))
        })
    }
}

/// Opens connections to the proxy, whose URL a [`Tunnel`] knows.
#[derive(Clone)]
struct ToProxy(Connector);

impl Service<Uri> for ToProxy {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Stream, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, proxy: Uri) -> Self::Future {
        let connector = self.0.clone();
        Box::pin(async move { connector.to(proxy).await.map(|io| Stream { io, is_forwarded: false }) })
    }
}

trait Io: Read + Write + Connection + Send + Unpin {}

impl<T: Read + Write + Connection + Send + Unpin> Io for T {}

/// An open connection, whatever it is made of.
pub(super) struct Stream {
    io: Box<dyn Io>,
    /// The proxy at its end sends each request on: it must be told whereto.
    is_forwarded: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.is_forwarded)
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, to)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, from)
    }
}
