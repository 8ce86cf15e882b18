//! A handler behind a policy, without a route of its own around it: nothing is boxed that axum does not box anyway.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use bytes::Bytes;
use pin_project_lite::pin_project;

use crate::tower::{RequireLayer, Verdict};

#[derive(Clone)]
pub(super) struct Guarded<H> {
    pub(super) handler: H,
    pub(super) layer: RequireLayer,
}

impl<H, T, S> Handler<T, S> for Guarded<H>
where
    H: Handler<T, S>,
    S: Send + 'static,
{
    type Future = GuardedFuture<H::Future>;

    fn call(self, request: Request, state: S) -> Self::Future {
        match self.layer.verdict(request) {
            Verdict::Passes(request) => GuardedFuture::Handling { response: self.handler.call(request, state) },
            Verdict::Refused(refusal) => GuardedFuture::Refused { refusal: Some(refusal) },
            Verdict::Waits(verdict) => {
                let response = async move {
                    match verdict.await {
                        Ok(request) => self.handler.call(request, state).await,
                        Err(refusal) => refusal.map(Body::from),
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
        Handling { #[pin] response: F },
        Refused { refusal: Option<Box<http::Response<Bytes>>> },
        Waiting { response: Pin<Box<dyn Future<Output = Response> + Send>> },
    }
}

impl<F: Future<Output = Response>> Future for GuardedFuture<F> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        match self.project() {
            GuardedProjection::Handling { response } => response.poll(cx),
            GuardedProjection::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(refusal.map(Body::from)),
                None => Poll::Pending,
            },
            GuardedProjection::Waiting { response } => response.as_mut().poll(cx),
        }
    }
}
