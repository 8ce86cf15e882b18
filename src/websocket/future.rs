use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::tower::ResponseBody;

pin_project! {
    /// The response of [`AwaitFirstMessage`](super::AwaitFirstMessage): the inner service's, or a rejection.
    pub struct AwaitFirstMessageFuture<F> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F> {
        Passing { #[pin] inner: F },
        Rejected { response: Option<Box<Response<Bytes>>> },
    }
}

impl<F> AwaitFirstMessageFuture<F> {
    pub(super) const fn passing(inner: F) -> Self {
        Self { stage: Stage::Passing { inner } }
    }

    pub(super) fn rejected(response: Response<Bytes>) -> Self {
        Self { stage: Stage::Rejected { response: Some(Box::new(response)) } }
    }
}

impl<F, R, E> Future for AwaitFirstMessageFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
    R::Data: From<Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProjection::Passing { inner } => {
                inner.poll(cx).map(|outcome| outcome.map(|response| response.map(ResponseBody::inner)))
            }
            StageProjection::Rejected { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResponseBody::refusal))),
                None => Poll::Pending,
            },
        }
    }
}

impl<F> fmt::Debug for AwaitFirstMessageFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitFirstMessageFuture").finish_non_exhaustive()
    }
}
