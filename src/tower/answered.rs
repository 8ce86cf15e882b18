use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::body::ResponseBody;

pin_project! {
    /// The response of a service that either passes a request on or answers it at once.
    pub struct AnsweredFuture<F> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F> {
        Passing { #[pin] inner: F },
        Answered { response: Option<Box<Response<Bytes>>> },
    }
}

impl<F> AnsweredFuture<F> {
    pub(crate) const fn passing(inner: F) -> Self {
        Self { stage: Stage::Passing { inner } }
    }

    pub(crate) fn answered(response: Response<Bytes>) -> Self {
        Self { stage: Stage::Answered { response: Some(Box::new(response)) } }
    }
}

impl<F, R, E> Future for AnsweredFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
    R::Data: From<Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProjection::Passing { inner } => inner.poll(cx).map_ok(|response| response.map(ResponseBody::inner)),
            StageProjection::Answered { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResponseBody::refusal))),
                None => Poll::Pending,
            },
        }
    }
}

impl<F> fmt::Debug for AnsweredFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnsweredFuture").finish_non_exhaustive()
    }
}
