use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::buffer::Held;

pin_project! {
    /// The body of a request that went through the layer: as it came, or with the bytes that were read from it.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B> {
        Unread { #[pin] body: B },
        /// The room that the bytes take is given back once they are taken.
        Read { bytes: Option<(Bytes, Held)> },
    }
}

impl<B> RequestBody<B> {
    pub(super) const fn unread(body: B) -> Self {
        Self { kind: Kind::Unread { body } }
    }

    pub(super) fn read(bytes: Bytes, held: Held) -> Self {
        Self { kind: Kind::Read { bytes: Some((bytes, held)).filter(|(bytes, _)| !bytes.is_empty()) } }
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
        match self.project().kind.project() {
            KindProjection::Unread { body } => body.poll_frame(cx),
            KindProjection::Read { bytes } => Poll::Ready(bytes.take().map(|(bytes, _)| Ok(Frame::data(bytes.into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Unread { body } => body.is_end_stream(),
            Kind::Read { bytes } => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Unread { body } => body.size_hint(),
            Kind::Read { bytes } => SizeHint::with_exact(bytes.as_ref().map_or(0, |(bytes, _)| bytes.len() as u64)),
        }
    }
}
