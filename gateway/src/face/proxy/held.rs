use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::lane::Stream;

pin_project! {
    /// A body that goes over a stream, and holds it for as long as it lasts.
    pub(super) struct Held<B = Incoming> {
        #[pin]
        body: B,
        stream: Option<Arc<Stream>>,
        is_read: bool,
    }
}

impl<B> Held<B> {
    /// The body of a request.
    pub(super) const fn sent(body: B, stream: Arc<Stream>) -> Self {
        Self { body, stream: Some(stream), is_read: false }
    }

    /// The body of a response.
    pub(super) const fn received(body: B, stream: Option<Arc<Stream>>) -> Self {
        Self { body, stream, is_read: true }
    }
}

impl<B: http_body::Body> http_body::Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(cx);
        if *this.is_read
            && let (Some(stream), Poll::Ready(Some(Ok(_)))) = (this.stream, &polled)
        {
            stream.note_read();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
