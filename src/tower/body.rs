use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::http::body::OrBytes;
use crate::lease::{Fault, LeasedBody};

pin_project! {
    /// The body of a response that went through the layer: the inner service's, or a rejection's.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B> {
        Plain { #[pin] body: OrBytes<B, ()> },
        /// An event stream that ends with a lease.
        Leased { #[pin] body: LeasedBody<B> },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) const fn inner(body: B) -> Self {
        Self { kind: Kind::Plain { body: OrBytes::Body { body } } }
    }

    pub(crate) fn refusal(bytes: Bytes) -> Self {
        Self { kind: Kind::Plain { body: OrBytes::bytes(bytes, ()) } }
    }

    /// An event stream that ends with its lease.
    pub(crate) const fn leased(body: LeasedBody<B>) -> Self {
        Self { kind: Kind::Leased { body } }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Plain { body } => body.poll_frame(cx),
            KindProjection::Leased { body } => body.poll_next(cx).map(|frame| match frame? {
                Ok(frame) => Some(Ok(frame)),
                Err(Fault::Inner(error)) => Some(Err(error)),
                // An event stream says it by an event.
                Err(Fault::Ended(_)) => None,
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Plain { body } => body.is_end_stream(),
            Kind::Leased { body } => body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Plain { body } => body.size_hint(),
            Kind::Leased { .. } => SizeHint::default(),
        }
    }
}
