//! A body that ends with its lease.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::ended::Ended;
use super::last::{last_event, trailers};
use super::lease::Lease;
use super::waiter::Waiter;

pin_project! {
    /// A body that ends with its lease, and says why. Made by [`Lease::attach`], which has an example.
    #[derive(Debug)]
    pub struct LeasedBody<B> {
        #[pin]
        body: B,
        waiters: Waiters,
        form: Form,
        boundary: Boundary,
    }
}

/// Those who wait for the first end of several leases, or for another end. Nearly always it is one lease.
#[derive(Debug)]
struct Waiters {
    // Both are `None` once one has ended.
    first: Option<Waiter>,
    other: Option<Other>,
    others: Vec<Waiter>,
}

/// An end that no lease knows.
struct Other(Pin<Box<dyn Future<Output = Ended> + Send + Sync>>);

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// With an error: a part must not be taken for the whole.
    Abort,
    /// With a last event.
    Events,
    /// With trailers.
    Grpc,
}

/// Whether an event has just ended, or none has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boundary {
    Between,
    /// A line has just ended.
    Line,
    Within,
}

/// Why there is no further frame.
pub(crate) enum Fault<E> {
    Inner(E),
    Ended(Ended),
}

/// The next frame of a body.
pub(crate) type Next<B> = Result<Frame<<B as Body>::Data>, Fault<<B as Body>::Error>>;

impl Lease {
    /// Ends the body of a response with the lease: an event stream (`text/event-stream`) with a last event, a gRPC response
    /// with its status and message, any other body with an error, so that a part of it is not taken for the whole.
    ///
    /// The last event is `end`; its data is an object with `reason`, `remediation` and, where the client should come again,
    /// `retry_after` in seconds, which is also the `retry` of the event.
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use axum::response::sse::{Event, Sse};
    /// use axum::response::IntoResponse;
    /// use futures_util::stream;
    /// use orgate::lease::Lease;
    ///
    /// async fn events(lease: Lease) -> impl IntoResponse {
    ///     let events = stream::pending::<Result<Event, Infallible>>();
    ///     lease.attach(Sse::new(events).into_response())
    /// }
    /// # let _: axum::routing::MethodRouter = axum::routing::get(events);
    /// ```
    pub fn attach<B: Body>(self, response: Response<B>) -> Response<LeasedBody<B>> {
        LeasedBody::attach(self, response)
    }
}

impl<B: Body> LeasedBody<B> {
    /// Ends the body of a response with a shared lease, as [`Lease::attach`] does.
    pub fn attach(lease: impl Into<Arc<Lease>>, response: Response<B>) -> Response<Self> {
        let form = Form::of(response.headers());
        let waiters = Waiters { first: Some(Waiter::new(lease.into())), other: None, others: Vec::new() };
        response.map(|body| Self { body, waiters, form, boundary: Boundary::Between })
    }

    /// Ends a body as [`Lease::attach`] does, with an end that no lease knows: the body ends when `ended` is ready.
    ///
    /// A server that stops ends event streams of public routes in this way, for instance with [`Ended::closing`].
    pub fn end_with(
        ended: impl Future<Output = Ended> + Send + Sync + 'static,
        response: Response<B>,
    ) -> Response<Self> {
        let form = Form::of(response.headers());
        let waiters = Waiters { first: None, other: Some(Other(Box::pin(ended))), others: Vec::new() };
        response.map(|body| Self { body, waiters, form, boundary: Boundary::Between })
    }

    /// As [`Lease::attach`], with the first of several leases that ends. Without any, it is over.
    pub(crate) fn attach_all(leases: Vec<Lease>, response: Response<B>) -> Response<Self> {
        let form = Form::of(response.headers());
        let mut waiters = leases.into_iter().map(|lease| Waiter::new(Arc::new(lease)));
        let waiters = Waiters { first: waiters.next(), other: None, others: waiters.collect() };
        response.map(|body| Self { body, waiters, form, boundary: Boundary::Between })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.waiters.have_left() || self.body.is_end_stream()
    }

    pub(crate) fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Next<B>>>
    where
        B::Data: From<Bytes>,
    {
        let this = self.project();
        if this.waiters.have_left() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(ended) = this.waiters.poll(context) {
            this.waiters.leave();
            return Poll::Ready(match this.form {
                Form::Abort => Some(Err(Fault::Ended(ended))),
                // A part of an event counts as none once the stream has ended.
                Form::Events if *this.boundary != Boundary::Between => None,
                Form::Events => Some(Ok(Frame::data(last_event(ended).into()))),
                Form::Grpc => Some(Ok(Frame::trailers(trailers(ended)))),
            });
        }
        let polled = this.body.poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Form::Events, Some(data)) = (*this.form, frame.data_ref()) {
                    this.boundary.see(data);
                }
            }
            // It is over by itself: nothing is left to watch.
            Poll::Ready(None | Some(Err(_))) => this.waiters.leave(),
            Poll::Pending => {}
        }
        polled.map(|frame| frame.map(|frame| frame.map_err(Fault::Inner)))
    }
}

impl<B> Body for LeasedBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = B::Data;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        self.poll_next(context).map(|frame| {
            frame.map(|frame| {
                frame.map_err(|fault| match fault {
                    Fault::Inner(error) => error.into(),
                    Fault::Ended(ended) => ended.into(),
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match self.form {
            Form::Abort => self.body.size_hint(),
            Form::Events | Form::Grpc => SizeHint::default(),
        }
    }
}

impl Waiters {
    /// All of them are asked, so that each wakes the task.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        let mut first = Poll::Pending;
        if let Some(Other(ended)) = &mut self.other {
            first = ended.as_mut().poll(context);
        }
        for waiter in self.first.iter_mut().chain(&mut self.others) {
            if let (Poll::Ready(ended), Poll::Pending) = (waiter.poll(context), &first) {
                first = Poll::Ready(ended);
            }
        }
        first
    }

    const fn have_left(&self) -> bool {
        self.first.is_none() && self.other.is_none()
    }

    fn leave(&mut self) {
        self.first = None;
        self.other = None;
        self.others.clear();
    }
}

impl fmt::Debug for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Other")
    }
}

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match &*essence {
            "text/event-stream" if !headers.contains_key(CONTENT_LENGTH) => Self::Events,
            "application/grpc" => Self::Grpc,
            grpc if grpc.starts_with("application/grpc+") => Self::Grpc,
            _ => Self::Abort,
        }
    }
}

impl Boundary {
    fn see(&mut self, data: &impl Buf) {
        let chunk = data.chunk();
        if chunk.len() < data.remaining() {
            // Not in one piece: it is not looked into.
            *self = Self::Within;
            return;
        }
        for byte in chunk.iter().copied().skip(chunk.len().saturating_sub(4)) {
            *self = match (byte, *self) {
                (b'\n', Self::Line | Self::Between) => Self::Between,
                (b'\n', Self::Within) => Self::Line,
                (b'\r', before) => before,
                _ => Self::Within,
            };
        }
    }
}
