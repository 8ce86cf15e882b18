use std::sync::Arc;

use http::header::UPGRADE;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use orgate::engine::Grant;
use tokio_rustls::TlsAcceptor;

use super::body::request_body;
use super::client::{Client, Sent};
use super::forward::{Failure, upstream_request};
use super::headers::{prepare_request, remove_hop_by_hop};
use super::held::Held;
use super::long::{self, Right};
use super::upload::{self, Progress};
use super::via::Via;
use super::{tunnel, websocket};
use crate::answer;
use crate::face::{Current, webhooks};
use crate::gateway::{Face, Gateway, Upstream};
use crate::net::{Body, Connections, Peer, full};
use crate::retired::Stage;
use crate::telemetry;

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Judges requests and forwards those that pass.
pub(crate) struct Proxy {
    pub(crate) current: Current,
    pub(crate) client: Client,
    pub(crate) via: Via,
}

impl Connections for Proxy {
    fn tls(&self) -> Option<TlsAcceptor> {
        self.current.load().tls.clone().map(TlsAcceptor::from)
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let gateway = self.current.load_full();
        // Its deliveries are signed, not authorized.
        if !gateway.listen.contains_key(&Face::Webhooks) && gateway.takes_webhooks_at(request.uri().path()) {
            return webhooks::deliver(&gateway, request).await;
        }
        self.forward(gateway, request, peer).await
    }
}

impl Proxy {
    async fn forward(&self, gateway: Arc<Gateway>, mut request: Request<Incoming>, peer: Peer) -> Response<Body> {
        if request.method() == Method::CONNECT {
            return answer::malformed().map(full);
        }
        if self.via.has_seen(request.headers()) {
            tracing::error!(target: "orgate", "a request came back from its upstream: an upstream is this gateway");
            return answer::looped().map(full);
        }
        // What follows a handshake is of WebSocket, and no body.
        let handshake = websocket::Handshake::read(&request).filter(|_| request.body().is_end_stream());
        let upgrade = handshake.as_ref().map(|_| hyper::upgrade::on(&mut request));
        let (mut head, body) = request.into_parts();
        let version = head.version;
        prepare_request(&mut head.headers);
        if handshake.is_some() {
            // A token among the protocols is one of a handshake alone.
            websocket::Handshake::write(&mut head.headers);
        }
        if let Some(certificate) = peer.certificate.clone() {
            head.extensions.insert(certificate);
        }
        let mut passed = match gateway.judge(&mut head).await {
            Ok(passed) => passed,
            Err(response) => return response.map(full),
        };
        let Some(upstream) = passed.route.upstream.clone() else { return answer::no_route().map(full) };
        if gateway.max_body_bytes.is_some_and(|most| body.size_hint().lower() > most) {
            let detail = "The body is larger than this API takes.";
            return answer::problem(StatusCode::PAYLOAD_TOO_LARGE, detail, "fix_request").map(full);
        }
        let nonce = passed.grant.as_ref().and_then(Grant::next_nonce).cloned();
        let about = long::about(&head);
        let right = Right::new(&gateway, passed.route, passed.grant.take(), &head, handshake.is_some());
        // A right that cannot be watched opens no connection at the upstream.
        let lease = match handshake.is_some().then(|| right.watch(&about)).transpose() {
            Ok(lease) => lease.flatten(),
            Err(response) => return (*response).map(full),
        };
        let scheme = if gateway.tls.is_some() { "https" } else { "http" };
        let (body, progress) = request_body(&gateway, &head.headers, body);
        let Some(mut forwarded) = upstream_request(head, body, passed, &upstream, (&peer, scheme)) else {
            return answer::malformed().map(full);
        };
        self.via.write(forwarded.headers_mut(), version);
        if handshake.is_some() {
            websocket::Handshake::write(forwarded.headers_mut());
        }
        let mut response = match self.send(&upstream, forwarded, progress.as_deref()).await {
            Ok(response) => response,
            Err(failure) => return failure.response().map(full),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return match (handshake, upgrade) {
                (Some(handshake), Some(client)) if handshake.is_accepted(&response) => {
                    let ends = (client, hyper::upgrade::on(&mut response));
                    tunnel::connect(ends, lease, right.retired(Stage::Stopping), peer.place);
                    websocket::Handshake::accept(response)
                }
                _ => Failure::Broken.response().map(full),
            };
        }
        let mut response = match right.bound(finish(response, version), &about) {
            Ok(response) => response,
            Err(response) => return (*response).map(full),
        };
        if let Some(nonce) = nonce {
            response.headers_mut().insert(DPOP_NONCE, nonce);
        }
        response
    }

    async fn send(
        &self,
        upstream: &Upstream,
        request: Request<Body>,
        progress: Option<&Progress>,
    ) -> Result<Response<Held>, Failure> {
        let sent = self.try_send(upstream, request, progress).await;
        if let Err(failure) = sent
            && !failure.is_the_client_s()
        {
            telemetry::upstream_failed(&upstream.name, failure.as_str());
        }
        sent
    }

    async fn try_send(
        &self,
        upstream: &Upstream,
        request: Request<Body>,
        progress: Option<&Progress>,
    ) -> Result<Response<Held>, Failure> {
        let Some(Sent { response, stream }) = self.client.send(upstream, request) else {
            tracing::warn!(target: "orgate", upstream = upstream.name, "the upstream has as many open requests as it may have");
            return Err(Failure::Full);
        };
        match upload::in_time(upstream.timeout, progress, response).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let failure = Failure::of(&error);
                let source = std::error::Error::source(&error).map(ToString::to_string);
                if failure.is_the_client_s() {
                    tracing::debug!(target: "orgate", upstream = upstream.name, %error, source, "the request broke off");
                } else {
                    tracing::warn!(target: "orgate", upstream = upstream.name, %error, source, "the upstream failed");
                }
                Err(failure)
            }
            Err(failure) if failure.is_the_client_s() => {
                tracing::debug!(target: "orgate", upstream = upstream.name, "the client did not send its body in time");
                Err(failure)
            }
            Err(failure) => {
                if let Some(stream) = stream {
                    stream.note_late();
                }
                tracing::warn!(target: "orgate", upstream = upstream.name, "the upstream did not respond in time");
                Err(failure)
            }
        }
    }
}

/// Passes a response on, without what was meant for the gateway alone.
fn finish(response: Response<Held>, version: Version) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    remove_hop_by_hop(&mut head.headers);
    head.headers.remove(UPGRADE);
    head.version = version;
    if version >= Version::HTTP_2 {
        head.headers.remove(http::header::CONNECTION);
    } else if version == Version::HTTP_10 {
        head.headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    }
    Response::from_parts(head, body.map_err(Into::into).boxed_unsync())
}
