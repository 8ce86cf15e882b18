use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, sleep_until};

use super::streams::took;
use super::{Body, BoxError};

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Requests {
    began: Instant,
    open: AtomicUsize,
    /// When the last one ended, in milliseconds since the connection began.
    ended: AtomicU64,
}

/// A request that is open until its response was taken.
#[derive(Debug)]
pub(super) struct Open(Arc<Requests>);

impl Requests {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), open: AtomicUsize::new(0), ended: AtomicU64::new(0) }
    }

    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// Waits until no request has been open for this time.
    pub(super) async fn idle(&self, time: Duration) {
        let mut until = Instant::now();
        loop {
            sleep_until(until).await;
            let now = Instant::now();
            until = if self.open.load(Ordering::Acquire) == 0 {
                self.began + Duration::from_millis(self.ended.load(Ordering::Relaxed)) + time
            } else {
                now + time
            };
            if until <= now {
                return;
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let ended = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.ended.store(ended, Ordering::Relaxed);
        self.0.open.fetch_sub(1, Ordering::Release);
    }
}

pin_project! {
    /// A response's body, as its connection takes it.
    pub(super) struct Outgoing {
        #[pin]
        body: Body,
        open: Open,
    }
}

impl Outgoing {
    pub(super) const fn new(body: Body, open: Open) -> Self {
        Self { body, open }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        took(false);
        let frame = ready!(self.project().body.poll_frame(cx));
        took(true);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const TIME: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn connection_is_idle_when_no_request_was_open_for_the_whole_time() {
        let requests = Arc::new(Requests::new());
        let (one, other) = (requests.open(), requests.open());
        assert!(timeout(TIME * 5, requests.idle(TIME)).await.is_err(), "both are open");
        drop(one);
        assert!(timeout(TIME * 5, requests.idle(TIME)).await.is_err(), "one is open");
        let idle = async {
            let began = Instant::now();
            requests.idle(TIME).await;
            began.elapsed()
        };
        let later = async {
            sleep(TIME / 2).await;
            drop(other);
            sleep(TIME / 4 * 3).await;
            drop(requests.open());
        };
        let (idle, ()) = tokio::join!(idle, later);
        let expected = TIME / 2 + TIME / 4 * 3 + TIME;
        assert!(idle.abs_diff(expected) <= SECOND, "{idle:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn connection_without_a_request_is_idle_from_its_beginning() {
        let requests = Requests::new();
        sleep(TIME / 2).await;
        assert!(timeout(TIME / 2 + SECOND, requests.idle(TIME)).await.is_ok());
    }
}
