use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ResponseBody;
use super::future::RequireFuture;
use super::known::{Known, Undecided};
use super::layer::RequireLayer;
use crate::rejection::Rejection;

/// A service behind a policy. Made by [`RequireLayer`].
#[derive(Clone, Debug)]
pub struct Require<S> {
    pub(super) inner: S,
    pub(super) layer: RequireLayer,
}

impl<S, B, R> Service<Request<B>> for Require<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Body,
    R::Data: From<Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = RequireFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let mut known = Known::default();
        match self.layer.decide(&mut parts, &mut known) {
            Ok(()) => RequireFuture::passing(self.inner.call(Request::from_parts(parts, body))),
            Err(Undecided::Rejected(rejection)) => self.refuse(rejection, &parts),
            Err(Undecided::Waits(wait)) => {
                // Nothing stays reserved meanwhile: the service is made ready again afterwards.
                drop(self.take_ready());
                RequireFuture::waiting(self.layer.clone(), self.inner.clone(), parts, body, wait, known)
            }
        }
    }
}

impl<S: Clone> Require<S> {
    /// The service that was polled ready; its clone stays.
    fn take_ready(&mut self) -> S {
        let clone = self.inner.clone();
        std::mem::replace(&mut self.inner, clone)
    }

    /// Nobody calls the service that was polled ready: what it reserved is given back with it.
    fn refuse<B>(&mut self, rejection: Rejection, parts: &Parts) -> RequireFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        drop(self.take_ready());
        RequireFuture::refused(self.layer.respond(rejection, parts))
    }
}
