use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::ResponseBody;
use super::known::{Known, RETRY_AFTER, Undecided, Wait};
use super::layer::RequireLayer;
use crate::rejection::Rejection;

/// More waits than any request needs.
const MOST_WAITS: usize = 16;

pin_project! {
    /// The response of [`Require`](super::Require). Unless something must be waited for, it is the inner service's own future.
    pub struct RequireFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        stage: Stage<S, B>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, B>
    where
        S: Service<Request<B>>,
    {
        Passing { #[pin] inner: S::Future },
        Refused { response: Option<Box<Response<Bytes>>> },
        Waiting { waiting: Option<Box<Waiting<S, B>>> },
    }
}

/// Whether the request may pass, and its head.
type Verdict = (Result<(), Rejection>, Parts);

/// A request that cannot be decided at once. The one arm that is boxed.
struct Waiting<S, B> {
    verdict: Pin<Box<dyn Future<Output = Verdict> + Send>>,
    layer: RequireLayer,
    service: S,
    body: Option<B>,
    /// The request that may pass, until the service is ready for it.
    passing: Option<Request<B>>,
}

impl<S: Service<Request<B>>, B> RequireFuture<S, B> {
    pub(super) fn passing(inner: S::Future) -> Self {
        Self { stage: Stage::Passing { inner } }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self { stage: Stage::Refused { response: Some(Box::new(response)) } }
    }

    pub(super) fn waiting(
        layer: RequireLayer,
        service: S,
        mut parts: Parts,
        body: B,
        wait: Wait,
        known: Known,
    ) -> Self {
        let deciding = layer.clone();
        let verdict = Box::pin(async move {
            let verdict = decide_later(&deciding, &mut parts, wait, known).await;
            (verdict, parts)
        });
        Self {
            stage: Stage::Waiting {
                waiting: Some(Box::new(Waiting { verdict, layer, service, body: Some(body), passing: None })),
            },
        }
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
        known.gather(wait, &layer.state).await?;
        match layer.decide(request, &mut known) {
            Ok(()) => return Ok(()),
            Err(Undecided::Rejected(rejection)) => return Err(rejection),
            Err(Undecided::Waits(more)) => wait = more,
        }
    }
    Err(Rejection::unavailable(RETRY_AFTER, "what the decision rests on changed again and again"))
}

impl<S: Service<Request<B>>, B> Waiting<S, B> {
    /// What comes after the wait, once that can be told.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stage<S, B>, S::Error>> {
        if self.passing.is_none() {
            let (verdict, parts) = ready!(self.verdict.as_mut().poll(cx));
            match (verdict, self.body.take()) {
                (Ok(()), Some(body)) => self.passing = Some(Request::from_parts(parts, body)),
                (Ok(()), None) => return Poll::Pending,
                (Err(rejection), _) => {
                    let response = Some(Box::new(self.layer.respond(rejection, &parts)));
                    return Poll::Ready(Ok(Stage::Refused { response }));
                }
            }
        }
        if let Err(error) = ready!(self.service.poll_ready(cx)) {
            return Poll::Ready(Err(error));
        }
        match self.passing.take() {
            Some(request) => Poll::Ready(Ok(Stage::Passing { inner: self.service.call(request) })),
            None => Poll::Pending,
        }
    }
}

impl<S, B, R> Future for RequireFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
    R::Data: From<Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        loop {
            match stage.as_mut().project() {
                StageProjection::Passing { inner } => {
                    return inner.poll(cx).map_ok(|response| response.map(ResponseBody::inner));
                }
                StageProjection::Refused { response } => {
                    return match response.take() {
                        Some(response) => Poll::Ready(Ok(response.map(ResponseBody::refusal))),
                        None => Poll::Pending,
                    };
                }
                StageProjection::Waiting { waiting } => {
                    let Some(pending) = waiting.as_mut() else { return Poll::Pending };
                    let next = match ready!(pending.poll_next(cx)) {
                        Ok(next) => next,
                        Err(error) => return Poll::Ready(Err(error)),
                    };
                    stage.set(next);
                }
            }
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for RequireFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Passing { .. } => "passing",
            Stage::Refused { .. } => "refused",
            Stage::Waiting { .. } => "waiting",
        };
        f.debug_tuple("RequireFuture").field(&stage).finish()
    }
}
