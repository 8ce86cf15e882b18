//! A handler behind a policy, without a route of its own around it: nothing is boxed that axum does not box anyway.

use std::any::TypeId;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::MethodRouter;
use bytes::Bytes;
use pin_project_lite::pin_project;

use crate::engine::{Begun, NextNonce, Requirement, next_nonce};
use crate::error::ConfigError;
use crate::future::BoxFuture;
use crate::tower::RequireLayer;

#[derive(Clone)]
pub(super) struct Guarded<H> {
    handler: H,
    requirement: Requirement,
}

impl<H: Clone> Guarded<H> {
    pub(super) fn new(handler: &H, layer: &RequireLayer) -> Self {
        Self { handler: handler.clone(), requirement: layer.requirement().clone() }
    }
}

/// Rejects `get(handler)` where a handler belongs: to axum a method router is one, but it answers its own methods only.
pub(super) fn check<H: 'static, S: 'static>(path: &str) -> Result<(), ConfigError> {
    if TypeId::of::<H>() != TypeId::of::<MethodRouter<S>>() {
        return Ok(());
    }
    Err(ConfigError::new(format_args!(
        "path {path:?}: a method router, such as get(..) makes, is given as a handler; give the handler itself, or the method \
         router to route(..) or public(..)"
    )))
}

impl<H, T, S> Handler<T, S> for Guarded<H>
where
    H: Handler<T, S>,
    S: Send + 'static,
{
    type Future = GuardedFuture<H::Future>;

    fn call(self, request: Request, state: S) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        match self.requirement.begin(&mut parts) {
            Begun::Granted(nonce) => {
                GuardedFuture::Handling { response: self.handler.call(Request::from_parts(parts, body), state), nonce }
            }
            Begun::Rejected(rejection) => {
                GuardedFuture::Rejected { response: Some(Box::new(rejection.into_response())) }
            }
            Begun::Waits(pending) => {
                let response = async move {
                    match self.requirement.settle(&mut parts, *pending).await {
                        Ok(()) => {
                            let mut nonce = next_nonce(&parts);
                            let mut response = self.handler.call(Request::from_parts(parts, body), state).await;
                            nonce.add_to(response.headers_mut());
                            response
                        }
                        Err(rejection) => rejection.into_response().map(Body::from),
                    }
                };
                GuardedFuture::Waiting { response: Box::pin(response) }
            }
        }
    }
}

pin_project! {
    #[project = GuardedProjection]
    pub(super) enum GuardedFuture<F> {
        Handling { #[pin] response: F, nonce: NextNonce },
        Rejected { response: Option<Box<http::Response<Bytes>>> },
        Waiting { response: BoxFuture<'static, Response> },
    }
}

impl<F: Future<Output = Response>> Future for GuardedFuture<F> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        match self.project() {
            GuardedProjection::Handling { response, nonce } if nonce.is_none() => response.poll(cx),
            GuardedProjection::Handling { response, nonce } => response.poll(cx).map(|mut response| {
                nonce.add_to(response.headers_mut());
                response
            }),
            GuardedProjection::Rejected { response } => match response.take() {
                Some(response) => Poll::Ready(response.map(Body::from)),
                None => Poll::Pending,
            },
            GuardedProjection::Waiting { response } => response.as_mut().poll(cx),
        }
    }
}
