//! What becomes of a request, and how that is found out where something must be waited for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};

use super::layer::RequireLayer;
use crate::engine::{Known, Need, RETRY_AFTER, Stop};
use crate::rejection::Rejection;

/// More waits than any request needs.
const MOST_WAITS: usize = 16;

/// What becomes of a request.
pub(crate) enum Verdict<B> {
    Passes(Request<B>),
    Refused(Box<Response<Bytes>>),
    Waits(WaitingVerdict<B>),
}

/// A request that cannot be decided at once: the request that may pass, or a refusal.
pub(crate) struct WaitingVerdict<B> {
    deciding: Pin<Box<dyn Future<Output = Decided> + Send>>,
    layer: RequireLayer,
    /// Until the end.
    body: Option<B>,
}

/// The body is kept, and never polled.
impl<B> Unpin for WaitingVerdict<B> {}

/// Whether the request may pass, and its head.
type Decided = (Result<(), Rejection>, Parts);

impl<B> WaitingVerdict<B> {
    pub(super) fn new(layer: RequireLayer, mut parts: Parts, body: B, wait: Need, known: Known) -> Self {
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
    mut wait: Need,
    mut known: Known,
) -> Result<(), Rejection> {
    for _ in 0..MOST_WAITS {
        known.gather(wait, layer.state()).await?;
        match layer.decide(request, &mut known) {
            Ok(()) => return Ok(()),
            Err(Stop::Reject(rejection)) => return Err(rejection),
            Err(Stop::Need(more)) => wait = more,
        }
    }
    Err(Rejection::unavailable(RETRY_AFTER, "what the decision rests on changed again and again"))
}

impl<B> Future for WaitingVerdict<B> {
    type Output = Result<Request<B>, Box<Response<Bytes>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Past the end there is nothing more to come.
        if self.body.is_none() {
            return Poll::Pending;
        }
        let (decided, parts) = ready!(self.deciding.as_mut().poll(cx));
        let Some(body) = self.body.take() else { return Poll::Pending };
        Poll::Ready(match decided {
            Ok(()) => Ok(Request::from_parts(parts, body)),
            Err(rejection) => Err(self.layer.respond(rejection, &parts)),
        })
    }
}
