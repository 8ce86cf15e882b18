use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::RequestBody;
use super::decide::Passed;
use super::plan::Plan;
use crate::engine::{Grant, next_nonce};
use crate::future::BoxFuture;
use crate::lease::{Lease, LeaseSettings, LeasedBody};
use crate::rejection::Rejection;
use crate::tower::ResponseBody;

/// A call is not rejected because what it streams could not be watched as closely as its policy says.
const MOST_BOUND: Duration = Duration::from_secs(24 * 60 * 60);

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
            let Passed { body, also } = match plan.decide(&mut parts, body).await {
                Ok(passed) => passed,
                Err(answer) => return Ok((*answer).map(ResponseBody::refusal)),
            };
            let grant = parts.extensions.get::<Grant>().cloned();
            let mut nonce = next_nonce(&parts);
            // Before anything is done: what is streamed ends with the right to it.
            let leases =
                match grant.iter().chain(&also).map(|grant| lease(grant, &parts)).collect::<Result<Vec<_>, _>>() {
                    Ok(leases) => leases,
                    Err(rejection) => return Ok(rejection.into_response().map(ResponseBody::refusal)),
                };
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            nonce.add_to(response.headers_mut());
            plan.bind_session(response.headers_mut(), grant.as_ref());
            if is_event_stream(response.headers()) {
                Ok(LeasedBody::attach_all(leases, response).map(ResponseBody::leased))
            } else {
                Ok(response.map(ResponseBody::inner))
            }
        })
    }
}

fn lease(grant: &Grant, parts: &Parts) -> Result<Lease, Rejection> {
    grant.lease_of(&LeaseSettings::new().bound_up_to(MOST_BOUND), parts)
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
}

impl<S> fmt::Debug for Mcp<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mcp").field("basic", &self.plan.basic).finish_non_exhaustive()
    }
}
