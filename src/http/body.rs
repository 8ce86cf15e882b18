//! A body, or bytes in its place.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A body as it came, or bytes in its place.
    #[project = OrBytesProjection]
    #[derive(Debug)]
    pub(crate) enum OrBytes<B, K> {
        Body { #[pin] body: B },
        /// What is kept with the bytes is dropped once they are taken.
        Bytes { bytes: Option<(Bytes, K)> },
    }
}

impl<B, K> OrBytes<B, K> {
    pub(crate) fn bytes(bytes: Bytes, kept: K) -> Self {
        Self::Bytes { bytes: Some((bytes, kept)).filter(|(bytes, _)| !bytes.is_empty()) }
    }
}

impl<B, K> Body for OrBytes<B, K>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project() {
            OrBytesProjection::Body { body } => body.poll_frame(cx),
            OrBytesProjection::Bytes { bytes } => {
                Poll::Ready(bytes.take().map(|(bytes, _)| Ok(Frame::data(bytes.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Body { body } => body.is_end_stream(),
            Self::Bytes { bytes } => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Body { body } => body.size_hint(),
            Self::Bytes { bytes } => SizeHint::with_exact(bytes.as_ref().map_or(0, |(bytes, _)| bytes.len() as u64)),
        }
    }
}
