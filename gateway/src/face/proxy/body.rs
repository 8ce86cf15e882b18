use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body as _;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::upload::Progress;
use crate::gateway::Gateway;
use crate::net::{Body, BoxError, empty};

/// Returns the client's body as upstream gets it: bounded if so configured, and without trailers that only the gateway may
/// set. With it comes its progress, if there is anything to send.
pub(super) fn request_body(
    gateway: &Arc<Gateway>,
    headers: &HeaderMap,
    body: Incoming,
) -> (Body, Option<Arc<Progress>>) {
    if body.is_end_stream() {
        return (empty(), None);
    }
    let (gateway, progress) = (gateway.clone(), Arc::new(Progress::new(headers)));
    let noted = progress.clone();
    let body = match gateway.max_body_bytes {
        Some(most) => {
            let body = Limited::new(body, usize::try_from(most).unwrap_or(usize::MAX));
            Checked { body, gateway, progress }.boxed_unsync()
        }
        None => Checked { body, gateway, progress }.boxed_unsync(),
    };
    (body, Some(noted))
}

pin_project! {
    struct Checked<B> {
        #[pin]
        body: B,
        gateway: Arc<Gateway>,
        progress: Arc<Progress>,
    }
}

impl<B> http_body::Body for Checked<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let polled = this.body.poll_frame(cx);
        this.progress.note(&polled);
        let mut frame = ready!(polled).map(|frame| frame.map_err(Into::into));
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            this.gateway.strip(trailers);
            super::headers::remove_token(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
