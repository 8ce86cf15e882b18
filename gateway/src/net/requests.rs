use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::moment::Moment;

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Requests {
    open: AtomicUsize,
    /// Whether there is something that was sent and that the client does not take.
    is_blocked: AtomicBool,
    /// When the last one ended or was taken.
    ended: Moment,
}

/// A request that is open until its response was written.
#[derive(Debug)]
pub(super) struct Open(Arc<Requests>);

impl Requests {
    pub(super) fn new() -> Self {
        Self { open: AtomicUsize::new(0), is_blocked: AtomicBool::new(false), ended: Moment::now() }
    }

    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// Takes note of whether the client takes what is written.
    pub(super) fn block(&self, is_blocked: bool) {
        if self.is_blocked.load(Ordering::Relaxed) != is_blocked {
            self.ended.note();
            self.is_blocked.store(is_blocked, Ordering::Release);
        }
    }

    /// Waits until no request has been open for this time, and everything that was written was taken.
    pub(super) async fn idle(&self, time: Duration) {
        let mut until = Instant::now();
        loop {
            sleep_until(until).await;
            let now = Instant::now();
            let is_open = self.open.load(Ordering::Acquire) > 0 || self.is_blocked.load(Ordering::Acquire);
            until = if is_open { now + time } else { self.ended.get() + time };
            if until <= now {
                return;
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.ended.note();
        self.0.open.fetch_sub(1, Ordering::Release);
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

    #[tokio::test(start_paused = true)]
    async fn connection_whose_client_does_not_take_what_was_written_is_not_idle() {
        let requests = Requests::new();
        requests.block(true);
        assert!(timeout(TIME * 5, requests.idle(TIME)).await.is_err());
        requests.block(false);
        assert!(timeout(TIME / 60 * 59, requests.idle(TIME)).await.is_err(), "it was taken just now");
        assert!(timeout(SECOND * 2, requests.idle(TIME)).await.is_ok());
    }
}
