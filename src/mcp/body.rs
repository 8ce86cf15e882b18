use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::buffer::Held;
use crate::http::body::OrBytes;

pin_project! {
    /// The body of a request that went through the layer: as it came, or with the bytes that were read from it.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        body: OrBytes<B, Held>,
    }
}

impl<B> RequestBody<B> {
    pub(super) const fn unread(body: B) -> Self {
        Self { body: OrBytes::Body { body } }
    }

    pub(super) fn read(bytes: Bytes, held: Held) -> Self {
        Self { body: OrBytes::bytes(bytes, held) }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
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
