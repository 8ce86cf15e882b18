//! Bodies of answers, broken ones among them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Interval, interval};

use super::traffic::Flight;

/// The body of an answer; the request counts as in flight until it is gone.
#[derive(Debug)]
pub(super) struct AnswerBody {
    content: Content,
    _flight: Option<Flight>,
}

#[derive(Debug)]
enum Content {
    Whole(Bytes),
    Cut { rest: Bytes, declared: u64, flushed: bool },
    Drip(Interval),
}

impl AnswerBody {
    pub(super) fn whole(content: impl Into<Bytes>) -> Self {
        Self { content: Content::Whole(content.into()), _flight: None }
    }

    /// Announces all of `content`, sends half of it, then breaks the connection.
    pub(super) fn cut(mut content: Bytes) -> Self {
        let declared = content.len() as u64;
        content.truncate(content.len() / 2);
        Self { content: Content::Cut { rest: content, declared, flushed: false }, _flight: None }
    }

    /// A byte now and then, for ever.
    pub(super) fn drip() -> Self {
        Self { content: Content::Drip(interval(Duration::from_millis(50))), _flight: None }
    }

    pub(super) fn in_flight(self, flight: Flight) -> Self {
        Self { _flight: Some(flight), ..self }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let data = match &mut self.content {
            Content::Whole(rest) if rest.is_empty() => return Poll::Ready(None),
            Content::Whole(rest) => std::mem::take(rest),
            Content::Cut { rest, .. } if !rest.is_empty() => std::mem::take(rest),
            Content::Cut { flushed: flushed @ false, .. } => {
                // The server writes out what it has before it asks again; an error now would swallow it.
                *flushed = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Content::Cut { .. } => return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            Content::Drip(interval) => {
                ready!(interval.poll_tick(context));
                Bytes::from_static(b" ")
            }
        };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(rest) if rest.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(rest) => SizeHint::with_exact(rest.len() as u64),
            Content::Cut { declared, .. } => SizeHint::with_exact(*declared),
            Content::Drip(_) => SizeHint::default(),
        }
    }
}
