use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::listener::Stream;
use super::opening::Opening;
use super::outgoing::Outgoing;
use super::requests::Requests;
use super::stalled::Flowing;
use super::streams::Streams;
use super::{Body, Peer, Place, full};
use crate::answer;
use crate::request::ClientCertificate;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// As many fields as the proxies in front let through.
const MOST_FIELDS: usize = 256;
/// How many requests one connection of HTTP/2 may have, and what each may hold of its response besides what its upstream's
/// connection holds.
const STREAMS: u32 = 1024;
const SEND_BUFFER: usize = 64 * 1024;
/// How long a client may take to close a connection that was idle for too long, once it is told.
const FAREWELL: Duration = Duration::from_secs(5);

/// What bounds the connections of one face.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServeSettings {
    pub(crate) max_header_bytes: usize,
    pub(crate) max_connections: usize,
    pub(crate) header_timeout: Duration,
    /// How long a connection may have no request.
    pub(crate) idle_timeout: Duration,
    /// How long a client may take no byte of what is sent to it.
    pub(crate) stall_timeout: Duration,
    pub(crate) drain: Duration,
}

/// What a face does with its connections.
pub(crate) trait Connections: Send + Sync + 'static {
    /// Returns the TLS settings for the next connection; `None` for plain text.
    fn tls(&self) -> Option<TlsAcceptor> {
        None
    }

    fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;
}

/// Serves one connection until it ends, or until `stop` says so and its requests have ended.
pub(super) async fn serve_connection<C: Connections>(
    stream: Box<dyn Stream>,
    peer: Peer,
    place: Place,
    face: Arc<C>,
    settings: ServeSettings,
    mut stop: watch::Receiver<bool>,
) {
    let requests = Arc::new(Requests::new());
    let handshaking = requests.open();
    let stream = Box::new(Flowing::new(stream, settings.stall_timeout, requests.clone()));
    let Some((stream, certificate)) = handshake(stream, face.tls()).await else { return };
    drop(handshaking);
    let peer = Peer { certificate, place: Some(place.clone()), ..peer };
    let opened = requests.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let is_stream = request.version() == Version::HTTP_2;
        let (face, peer, open) = (face.clone(), peer.clone(), opened.open());
        async move {
            let response = if length_of_head(&request) >= settings.max_header_bytes {
                answer::too_long().map(full)
            } else {
                face.answer(request, peer).await
            };
            Ok::<_, Infallible>(response.map(|body| Outgoing::new(body, open, is_stream)))
        }
    });
    let stream = Opening::new(stream, settings.header_timeout);
    let builder = connection_builder(&settings);
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = stop.wait_for(|stop| *stop) => None,
        () = requests.idle(settings.idle_timeout) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => ended,
            // Whoever does not close it is not waited for; a request that was on its way is.
            () = requests.idle(settings.idle_timeout + FAREWELL) => Ok(()),
        }
    };
    if let Err(error) = ended {
        tracing::debug!(target: "orgate", %error, "a connection ended with an error");
    }
}

/// How long the head is in HTTP/1.1. The server itself looks at the limit only where a head comes in several parts.
fn length_of_head(request: &Request<Incoming>) -> usize {
    let line = request.method().as_str().len() + request.uri().path_and_query().map_or(1, |it| it.as_str().len());
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + "  HTTP/1.1\r\n\r\n".len() + fields.sum::<usize>()
}

fn connection_builder(settings: &ServeSettings) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(Streams { stall_timeout: settings.stall_timeout });
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_headers(MOST_FIELDS)
        .max_buf_size(settings.max_header_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(settings.max_header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

type Secured = (Box<dyn Stream>, Option<ClientCertificate>);

async fn handshake(stream: Box<dyn Stream>, tls: Option<TlsAcceptor>) -> Option<Secured> {
    let Some(tls) = tls else { return Some((stream, None)) };
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let chain = stream.get_ref().1.peer_certificates();
            let certificate = chain.and_then(<[_]>::first).map(|own| ClientCertificate::new(own));
            Some((Box::new(stream), certificate))
        }
        Ok(Err(error)) => {
            tracing::debug!(target: "orgate", %error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
