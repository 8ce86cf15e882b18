//! A handler behind a policy, without a route of its own around it: nothing is boxed that axum does not box anyway.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::handler::{Handler, HandlerService};
use axum::response::Response;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::middleware::{RequireFuture, RequireLayer};

#[derive(Clone)]
pub(super) struct Guarded<H> {
    pub(super) handler: H,
    pub(super) layer: RequireLayer,
}

impl<H, T, S> Handler<T, S> for Guarded<H>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    type Future = GuardedFuture<HandlerService<H, T, S>>;

    fn call(self, request: Request, state: S) -> Self::Future {
        GuardedFuture { response: self.layer.around(self.handler.with_state(state)).call(request) }
    }
}

pin_project! {
    pub(super) struct GuardedFuture<S>
    where
        S: Service<Request>,
    {
        #[pin]
        response: RequireFuture<S, Body>,
    }
}

impl<S> Future for GuardedFuture<S>
where
    S: Service<Request, Response = Response, Error = std::convert::Infallible>,
{
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        self.project().response.poll(cx).map(|response| match response {
            Ok(response) => response.map(|body| body.into_either().unwrap_or_else(Body::from)),
            Err(never) => match never {},
        })
    }
}
