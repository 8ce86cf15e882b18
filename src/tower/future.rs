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
use crate::engine::{Held, NextNonce, Pending, Requirement, next_nonce};
use crate::future::BoxFuture;
use crate::rejection::Rejection;

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
        Passing { #[pin] inner: S::Future, nonce: NextNonce },
        Rejected { response: Option<Box<Response<Bytes>>> },
        Waiting { waiting: Box<Waiting<S, B>> },
    }
}

/// A request that cannot be decided at once. The one arm that is boxed.
struct Waiting<S, B> {
    requirement: Requirement,
    step: Step,
    service: S,
    /// Kept until the end, and never polled.
    body: Option<B>,
}

#[allow(clippy::large_enum_variant, reason = "it is in the one box of the waiting arm")]
enum Step {
    Deciding(BoxFuture<'static, Result<(Parts, Held), Rejection>>),
    /// Granted, while the service is not ready for it. Whether it was pending meanwhile: what was granted may have ended.
    Granted(Option<(Parts, Held)>, bool),
}

/// The body is never polled, and the rest is `Unpin`.
impl<S, B> Unpin for Waiting<S, B> {}

impl<S: Service<Request<B>>, B> RequireFuture<S, B> {
    pub(super) const fn passing(inner: S::Future, nonce: NextNonce) -> Self {
        Self { stage: Stage::Passing { inner, nonce } }
    }

    pub(super) fn rejected(response: Response<Bytes>) -> Self {
        Self { stage: Stage::Rejected { response: Some(Box::new(response)) } }
    }

    pub(super) fn waiting(requirement: Requirement, parts: Parts, body: B, pending: Pending, service: S) -> Self {
        let step = Step::deciding(&requirement, parts, pending);
        let waiting = Waiting { requirement, step, service, body: Some(body) };
        Self { stage: Stage::Waiting { waiting: Box::new(waiting) } }
    }
}

impl Step {
    fn deciding(requirement: &Requirement, mut parts: Parts, pending: Pending) -> Self {
        let requirement = requirement.clone();
        Self::Deciding(Box::pin(async move {
            let held = requirement.hold(&mut parts, pending).await?;
            Ok((parts, held))
        }))
    }

    fn deciding_anew(requirement: &Requirement, mut parts: Parts, held: Held) -> Self {
        let requirement = requirement.clone();
        Self::Deciding(Box::pin(async move {
            let held = requirement.hold_anew(&mut parts, held).await?;
            Ok((parts, held))
        }))
    }
}

impl<S: Service<Request<B>>, B> Waiting<S, B> {
    /// What comes after the wait, once that can be told.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stage<S, B>, S::Error>> {
        loop {
            match &mut self.step {
                Step::Deciding(deciding) => match ready!(deciding.as_mut().poll(cx)) {
                    Ok(granted) => self.step = Step::Granted(Some(granted), false),
                    Err(rejection) => {
                        let response = Some(Box::new(rejection.into_response()));
                        return Poll::Ready(Ok(Stage::Rejected { response }));
                    }
                },
                Step::Granted(granted, was_pending) => {
                    if self.service.poll_ready(cx)?.is_pending() {
                        *was_pending = true;
                        return Poll::Pending;
                    }
                    let (Some((parts, held)), Some(body)) = (granted.take(), self.body.take()) else {
                        return Poll::Pending;
                    };
                    if *was_pending && !self.requirement.still_grants(&parts) {
                        self.body = Some(body);
                        self.step = Step::deciding_anew(&self.requirement, parts, held);
                        continue;
                    }
                    self.requirement.pass(&parts, held);
                    let nonce = next_nonce(&parts);
                    let inner = self.service.call(Request::from_parts(parts, body));
                    return Poll::Ready(Ok(Stage::Passing { inner, nonce }));
                }
            }
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
                StageProjection::Passing { inner, nonce } => {
                    return inner.poll(cx).map_ok(|mut response| {
                        nonce.add_to(response.headers_mut());
                        response.map(ResponseBody::inner)
                    });
                }
                StageProjection::Rejected { response } => {
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
            Stage::Rejected { .. } => "rejected",
            Stage::Waiting { .. } => "waiting",
        };
        f.debug_tuple("RequireFuture").field(&stage).finish()
    }
}
