use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::sync::OwnedSemaphorePermit;

/// A stream that an upstream counts as open.
pub(super) type Stream = Arc<OwnedSemaphorePermit>;

pin_project! {
    /// A body that goes over a stream, and holds it for as long as it lasts.
    pub(super) struct Held<B = Incoming> {
        #[pin]
        body: B,
        stream: Option<Stream>,
    }
}

impl<B> Held<B> {
    pub(super) const fn new(body: B, stream: Option<Stream>) -> Self {
        Self { body, stream }
    }
}

impl<B: http_body::Body> http_body::Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
