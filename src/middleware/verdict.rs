use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use pin_project_lite::pin_project;

use super::known::{Known, RETRY_AFTER, Undecided, Wait};
use super::layer::RequireLayer;
use crate::rejection::Rejection;

/// More waits than any request needs.
const MOST_WAITS: usize = 16;

/// What becomes of a request.
pub(crate) enum Verdict<B> {
    Passes(Request<B>),
    Refused(Box<Response<Bytes>>),
    Pending(PendingVerdict<B>),
}

pin_project! {
    /// A request that cannot be decided at once: the request that may pass, or a refusal.
    pub(crate) struct PendingVerdict<B> {
        deciding: Pin<Box<dyn Future<Output = Decided> + Send>>,
        layer: RequireLayer,
        body: Option<B>,
    }
}

/// Whether the request may pass, and its head.
type Decided = (Result<(), Rejection>, Parts);

impl<B> PendingVerdict<B> {
    pub(super) fn new(layer: RequireLayer, mut parts: Parts, body: B, wait: Wait, known: Known) -> Self {
        let own = layer.clone();
        let deciding = Box::pin(async move {
            let decided = decide_later(&own, &mut parts, wait, known).await;
            (decided, parts)
        });
        Self { deciding, layer, body: Some(body) }
    }
}

/// Decides, however long it takes: every wait has its limit, and so has their number.
async fn decide_later(
    layer: &RequireLayer,
    request: &mut Parts,
    mut wait: Wait,
    mut known: Known,
) -> Result<(), Rejection> {
    for _ in 0..MOST_WAITS {
        known.gather(wait, layer.state()).await?;
        match layer.decide(request, &mut known) {
            Ok(()) => return Ok(()),
            Err(Undecided::Rejected(rejection)) => return Err(rejection),
            Err(Undecided::Waits(more)) => wait = more,
        }
    }
    Err(Rejection::unavailable(RETRY_AFTER, "what the decision rests on changed again and again"))
}

impl<B> Future for PendingVerdict<B> {
    type Output = Result<Request<B>, Box<Response<Bytes>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let pending = self.project();
        // Once it has come to an end, there is nothing more to come.
        if pending.body.is_none() {
            return Poll::Pending;
        }
        let (decided, parts) = ready!(pending.deciding.as_mut().poll(cx));
        match (decided, pending.body.take()) {
            (Ok(()), Some(body)) => Poll::Ready(Ok(Request::from_parts(parts, body))),
            (Ok(()), None) => Poll::Pending,
            (Err(rejection), _) => Poll::Ready(Err(pending.layer.respond(rejection, &parts))),
        }
    }
}
