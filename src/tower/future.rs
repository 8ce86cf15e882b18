use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::ResponseBody;
use super::verdict::WaitingVerdict;

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
        Waiting { waiting: Box<Waiting<S, B>> },
    }
}

/// A request that cannot be decided at once. The one arm that is boxed.
struct Waiting<S, B> {
    verdict: WaitingVerdict<B>,
    service: S,
    /// The request that may pass, until the service is ready for it.
    passing: Option<Request<B>>,
}

impl<S: Service<Request<B>>, B> RequireFuture<S, B> {
    pub(super) fn passing(inner: S::Future) -> Self {
        Self { stage: Stage::Passing { inner } }
    }

    pub(super) fn refused(response: Box<Response<Bytes>>) -> Self {
        Self { stage: Stage::Refused { response: Some(response) } }
    }

    pub(super) fn waiting(verdict: WaitingVerdict<B>, service: S) -> Self {
        Self { stage: Stage::Waiting { waiting: Box::new(Waiting { verdict, service, passing: None }) } }
    }
}

impl<S: Service<Request<B>>, B> Waiting<S, B> {
    /// What comes after the wait, once that can be told.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stage<S, B>, S::Error>> {
        if self.passing.is_none() {
            match ready!(Pin::new(&mut self.verdict).poll(cx)) {
                Ok(request) => self.passing = Some(request),
                Err(response) => return Poll::Ready(Ok(Stage::Refused { response: Some(response) })),
            }
        }
        ready!(self.service.poll_ready(cx))?;
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
                    let next = ready!(waiting.poll_next(cx))?;
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
