use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::HeaderMap;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

use super::backlog::{Backlog, Part};
use super::requests::Open;
use super::streams::watch;
use super::{Body, BoxError};

pin_project! {
    /// A response's body, as its connection takes it.
    ///
    /// A stream of HTTP/2 ends after all else was taken: until then it can be reset, which one that has ended cannot, however long
    /// its client takes nothing.
    pub(super) struct Outgoing {
        #[pin]
        body: Option<Body>,
        trailers: Option<HeaderMap>,
        backlog: Arc<Backlog>,
        is_stream: bool,
    }
}

impl Outgoing {
    pub(super) fn new(body: Body, open: Open, is_stream: bool) -> Self {
        Self { body: Some(body), trailers: None, backlog: Arc::new(Backlog::new(open)), is_stream }
    }
}

impl http_body::Body for Outgoing {
    type Data = Part;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Part>, BoxError>>> {
        let mut this = self.project();
        if *this.is_stream {
            watch(this.backlog);
        }
        while let Some(mut body) = this.body.as_mut().as_pin_mut() {
            let frame = ready!(body.as_mut().poll_frame(cx)).transpose()?;
            if frame.is_none() || body.is_end_stream() {
                // What it holds at its upstream is not needed any more.
                this.body.set(None);
            }
            match frame.map(Frame::into_data) {
                Some(Ok(bytes)) => return Poll::Ready(Some(Ok(Frame::data(this.backlog.part(bytes))))),
                Some(Err(other)) => *this.trailers = other.into_trailers().ok(),
                None => {}
            }
            if this.trailers.is_some() {
                this.body.set(None);
            }
        }
        if *this.is_stream {
            ready!(this.backlog.poll_empty(cx));
        }
        Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        let is_over = self.trailers.is_none() && self.body.as_ref().is_none_or(http_body::Body::is_end_stream);
        is_over && (!self.is_stream || self.backlog.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}
