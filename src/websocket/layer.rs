use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::Semaphore;
use tower_layer::Layer;
use tower_service::Service;

use super::first_message::Unauthenticated;
use crate::engine::{Reached, Requirement};
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::token::browser::{Origins, is_handshake, refuse_credentials};
use crate::tower::{AnsweredFuture, ResponseBody};

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Lets handshakes of WebSockets pass whose token comes in the first message. Made by
/// [`ResourceServer::first_message`](crate::ResourceServer::first_message).
///
/// A request that passes reaches the inner service with an [`Unauthenticated`] in its extensions.
#[derive(Clone)]
pub struct FirstMessageLayer(Arc<Gate>);

/// The settings, checked, and the places of the connections without a token.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(super) origins: Arc<Origins>,
    pub(super) timeout: Duration,
    pub(super) places: Arc<Semaphore>,
}

impl Door {
    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    pub(crate) fn layer(&self, requirement: Requirement) -> FirstMessageLayer {
        FirstMessageLayer(Arc::new(Gate { requirement, door: self.clone() }))
    }
}

struct Gate {
    requirement: Requirement,
    door: Door,
}

impl FirstMessageLayer {
    /// Returns the requirement that the first message must meet.
    #[must_use]
    pub fn requirement(&self) -> &Requirement {
        &self.0.requirement
    }
}

impl Gate {
    /// Judges the handshake, and takes a place among the connections without a token.
    fn open(&self, request: &mut Parts) -> Result<Unauthenticated, Rejection> {
        refuse_credentials(&mut request.headers)?;
        if !is_handshake(request) {
            let detail = "no handshake of a WebSocket, where the token comes in its first message";
            return Err(Rejection::new(RejectionKind::InvalidRequest, Remediation::FixRequest, detail));
        }
        self.door.origins().judge(&request.headers)?;
        let place = self.door.places.clone().try_acquire_owned().map_err(|_| {
            Rejection::unavailable(RETRY_AFTER, "max_waiting connections are open that have not sent a token")
        })?;
        Ok(Unauthenticated::new(self.requirement.clone(), request.clone(), self.door.timeout, place))
    }
}

impl<S> Layer<S> for FirstMessageLayer {
    type Service = AwaitFirstMessage<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AwaitFirstMessage { inner, gate: self.0.clone() }
    }
}

/// A service that accepts WebSockets. Made by [`FirstMessageLayer`].
#[derive(Clone)]
pub struct AwaitFirstMessage<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S, B, R> Service<Request<B>> for AwaitFirstMessage<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Body,
    R::Data: From<Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = AnsweredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        match self.gate.open(&mut parts) {
            Ok(unauthenticated) => {
                parts.extensions.insert(Reached::past(&self.gate.requirement));
                parts.extensions.insert(unauthenticated);
                AnsweredFuture::passing(self.inner.call(Request::from_parts(parts, body)))
            }
            Err(rejection) => {
                // The service that was polled ready is not called now: what it has reserved is given back with it.
                self.inner = self.inner.clone();
                let rejection = self.gate.requirement.refuse(rejection, &parts);
                AnsweredFuture::answered(rejection.into_response())
            }
        }
    }
}

impl fmt::Debug for FirstMessageLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: fmt::Debug> fmt::Debug for AwaitFirstMessage<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitFirstMessage").field("inner", &self.inner).field("gate", &self.gate).finish()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstMessage")
            .field("requirement", &self.requirement)
            .field("origins", &self.door.origins)
            .field("timeout", &self.door.timeout)
            .finish_non_exhaustive()
    }
}
