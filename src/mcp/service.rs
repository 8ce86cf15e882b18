use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::RequestBody;
use super::plan::Plan;
use crate::engine::{Grant, next_nonce};
use crate::future::BoxFuture;
use crate::tower::ResponseBody;

/// An MCP server behind its policies. Made by [`McpLayer`](super::McpLayer).
#[derive(Clone)]
pub struct Mcp<S> {
    inner: S,
    plan: Arc<Plan>,
}

impl<S> Mcp<S> {
    pub(super) const fn new(inner: S, plan: Arc<Plan>) -> Self {
        Self { inner, plan }
    }
}

impl<S, B, R> Service<Request<B>> for Mcp<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: From<Bytes> + Send,
    R: Body,
    R::Data: From<Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        // The service that was polled ready is the one that is called.
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let plan = self.plan.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let body = match plan.decide(&mut parts, body).await {
                Ok(body) => body,
                Err(answer) => return Ok((*answer).map(ResponseBody::refusal)),
            };
            let grant = parts.extensions.get::<Grant>().cloned();
            let mut nonce = next_nonce(&parts);
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            nonce.add_to(response.headers_mut());
            plan.bind_session(response.headers_mut(), grant.as_ref());
            Ok(response.map(ResponseBody::inner))
        })
    }
}

impl<S> fmt::Debug for Mcp<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mcp").field("basic", &self.plan.basic).finish_non_exhaustive()
    }
}
