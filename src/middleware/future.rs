use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::ResponseBody;
use super::layer::RequireLayer;
use super::state::{MissingKey, State};
use crate::bearer;
use crate::jwt;
use crate::keys::KeyRefusal;
use crate::rejection::{Rejection, RejectionKind, Remediation};
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
type Verdict = (Result<AccessToken, Rejection>, Parts);

/// A request whose key is being fetched. The one arm that is boxed.
struct Waiting<S, B> {
    verdict: Pin<Box<dyn Future<Output = Verdict> + Send>>,
    layer: RequireLayer,
    service: S,
    body: B,
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
            let verdict = state.authenticate_later(&parts.headers, missing).await;
            (verdict, parts)
        });
        Self { stage: Stage::Waiting { waiting: Some(Box::new(Waiting { verdict, layer, service, body })) } }
    }
}

impl State {
    /// The request's token, verified once its key has been waited for.
    async fn authenticate_later(&self, headers: &HeaderMap, missing: MissingKey) -> Result<AccessToken, Rejection> {
        let MissingKey { entry, kid, algorithm, arrival } = missing;
        let kid = kid.as_deref();
        let resolved = match self.keys.get(entry) {
            Some(keys) => keys.resolve(kid, algorithm, Some(arrival)).await,
            None => Err(KeyRefusal::NoneFits),
        };
        let key = resolved.map_err(|refusal| self.refused(refusal, entry, kid))?;
        let token = bearer::find(headers, self.max_token_bytes)?;
        let token = token
            .ok_or_else(|| Rejection::new(RejectionKind::MissingToken, Remediation::Authenticate, "no Bearer token"))?;
        jwt::verify(token, &self.entries, self.clock.now(), |_, _, _| Ok(key))
    }
}

impl<S: Service<Request<B>>, B> Waiting<S, B> {
    /// The verdict is there: on to the inner service, or not.
    fn proceed(mut self, verdict: Result<AccessToken, Rejection>, mut parts: Parts) -> Stage<S, B> {
        let authorized = verdict.and_then(|token| self.layer.authorize(Some(token), &mut parts));
        match authorized {
            Ok(()) => Stage::Passing { inner: self.service.call(Request::from_parts(parts, self.body)) },
            Err(rejection) => Stage::Refused { response: Some(Box::new(self.layer.respond(rejection, &parts))) },
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
                    let (verdict, parts) = ready!(pending.verdict.as_mut().poll(cx));
                    let Some(done) = waiting.take() else { return Poll::Pending };
                    let next = done.proceed(verdict, parts);
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
