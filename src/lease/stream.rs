//! A stream that ends with its lease.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::ended::Ended;
use super::lease::Lease;
use super::waiter::Waiter;

pin_project! {
    /// A stream that ends with its lease. Made by [`Lease::stream`], which has an example.
    pub struct LeasedStream<S, F> {
        #[pin]
        stream: S,
        // `None` once it has ended.
        rest: Option<(Waiter, F)>,
    }
}

impl Lease {
    /// Ends a stream with the lease: with the item that `last` makes of the end, if it makes one.
    ///
    /// For a streaming call of tonic:
    ///
    /// ```
    /// use futures_util::{Stream, stream};
    /// use orgate::lease::Lease;
    /// use tonic::{Code, Status};
    ///
    /// fn watch(lease: Lease) -> impl Stream<Item = Result<String, Status>> {
    ///     let updates = stream::pending();
    ///     lease.stream(updates, |ended| {
    ///         Some(Err(Status::new(Code::from(i32::from(ended.grpc_code())), ended.to_string())))
    ///     })
    /// }
    /// # _ = watch;
    /// ```
    pub fn stream<S, F>(self, stream: S, last: F) -> LeasedStream<S, F>
    where
        S: Stream,
        F: FnOnce(Ended) -> Option<S::Item>,
    {
        LeasedStream::new(self, stream, last)
    }
}

impl<S, F> LeasedStream<S, F>
where
    S: Stream,
    F: FnOnce(Ended) -> Option<S::Item>,
{
    /// Ends a stream with a shared lease, as [`Lease::stream`] does.
    pub fn new(lease: impl Into<Arc<Lease>>, stream: S, last: F) -> Self {
        Self { stream, rest: Some((Waiter::new(lease.into()), last)) }
    }
}

impl<S, F> Stream for LeasedStream<S, F>
where
    S: Stream,
    F: FnOnce(Ended) -> Option<S::Item>,
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let Some((waiter, _)) = this.rest else { return Poll::Ready(None) };
        if let Poll::Ready(ended) = waiter.poll(context) {
            let last = this.rest.take().and_then(|(_, last)| last(ended));
            return Poll::Ready(last);
        }
        let polled = this.stream.poll_next(context);
        if let Poll::Ready(None) = polled {
            *this.rest = None;
        }
        polled
    }
}

impl<S, F> fmt::Debug for LeasedStream<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasedStream").field("is_ended", &self.rest.is_none()).finish_non_exhaustive()
    }
}
