use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::ResponseBody;
use super::layer::RequireLayer;
use super::state::State;
use crate::jwt::{MissingKey, Unverified};
use crate::rejection::Rejection;
use crate::token::AccessToken;

pin_project! {
    /// The response of [`Require`](super::Require). Unless a key must be fetched, it is the inner service's own future.
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

/// Whether the token is good, and the head of the request it came with.
type Verdict = (Result<Option<AccessToken>, Rejection>, Parts);

/// A request whose key is being fetched. The one arm that is boxed.
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

    pub(super) fn waiting(layer: RequireLayer, service: S, parts: Parts, body: B, missing: MissingKey) -> Self {
        let state = layer.state.clone();
        let verdict = Box::pin(async move {
            let verdict = authenticate_later(&state, &parts, missing).await;
            (verdict, parts)
        });
        Self {
            stage: Stage::Waiting {
                waiting: Some(Box::new(Waiting { verdict, layer, service, body: Some(body), passing: None })),
            },
        }
    }
}

/// Waits for the key, then verifies.
async fn authenticate_later(
    state: &State,
    request: &Parts,
    missing: MissingKey,
) -> Result<Option<AccessToken>, Rejection> {
    let outcome = missing.entry.keys.resolve(missing.kid.as_deref(), missing.algorithm, Some(missing.arrival)).await;
    let awaited = missing.awaited(outcome)?;
    state.authenticate(&request.headers, Some(awaited)).map_err(|unverified| match unverified {
        Unverified::Rejected(rejection) => rejection,
        Unverified::NeedsKey(_) => {
            Rejection::unavailable(Duration::from_secs(1), "the issuer was replaced while its key was fetched")
        }
    })
}

impl<S: Service<Request<B>>, B> Waiting<S, B> {
    /// What comes after the wait, once that can be told.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stage<S, B>, S::Error>> {
        if self.passing.is_none() {
            let (verdict, mut parts) = ready!(self.verdict.as_mut().poll(cx));
            let authorized = verdict.and_then(|token| self.layer.authorize(token, &mut parts));
            match (authorized, self.body.take()) {
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
            Stage::Waiting { .. } => "waiting for a key",
        };
        f.debug_tuple("RequireFuture").field(&stage).finish()
    }
}
