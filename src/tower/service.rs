use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ResponseBody;
use super::future::RequireFuture;
use super::layer::RequireLayer;
use super::verdict::Verdict;

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
        match self.layer.verdict(request) {
            Verdict::Passes(request) => RequireFuture::passing(self.inner.call(request)),
            Verdict::Refused(response) => {
                self.release();
                RequireFuture::refused(response)
            }
            Verdict::Waits(verdict) => {
                self.release();
                RequireFuture::waiting(verdict, self.inner.clone())
            }
        }
    }
}

impl<S: Clone> Require<S> {
    /// Nobody calls the service that was polled ready, or not now: what it has reserved is given back with it.
    fn release(&mut self) {
        self.inner = self.inner.clone();
    }
}
