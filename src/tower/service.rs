use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ResponseBody;
use super::future::RequireFuture;
use crate::engine::{Begun, Requirement};

/// A service behind a policy. Made by [`RequireLayer`](super::RequireLayer).
#[derive(Clone, Debug)]
pub struct Require<S> {
    inner: S,
    requirement: Requirement,
}

impl<S> Require<S> {
    pub(super) const fn new(inner: S, requirement: Requirement) -> Self {
        Self { inner, requirement }
    }

    /// Returns the service behind the policy.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the service behind the policy, to change it.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the service without the policy.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
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
        match self.requirement.begin(&mut parts) {
            Begun::Granted(nonce) => RequireFuture::passing(self.inner.call(Request::from_parts(parts, body)), nonce),
            Begun::Rejected(rejection) => {
                self.release();
                RequireFuture::rejected(rejection.into_response())
            }
            Begun::Waits(pending) => {
                self.release();
                RequireFuture::waiting(self.requirement.clone(), parts, body, *pending, self.inner.clone())
            }
        }
    }
}

impl<S: Clone> Require<S> {
    /// The service that was polled ready is not called now: what it has reserved is given back with it.
    fn release(&mut self) {
        self.inner = self.inner.clone();
    }
}
