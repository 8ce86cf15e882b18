use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

tokio::task_local! {
    static TAKEN: Taken;
}

/// What the connection has taken of a response.
#[derive(Default)]
struct Taken {
    frames: Cell<u64>,
    /// Whether the connection has a frame that it did not yet send on: the client allows no more bytes.
    is_held: Cell<bool>,
}

/// Takes note of a frame of a response, or of waiting for one. A stream alone looks at it.
pub(super) fn took(frame: bool) {
    // A connection of HTTP/1 writes what it takes, and its writes are watched.
    _ = TAKEN.try_with(|taken| {
        taken.frames.set(taken.frames.get() + u64::from(frame));
        taken.is_held.set(frame);
    });
}

/// Runs the streams of HTTP/2 connections, and ends one whose client takes no byte of a response for too long.
///
/// Its connection goes on, with the streams of other clients when it is that of a proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    pub(super) stall_timeout: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let watched = Watched { stream, stall_timeout: self.stall_timeout, frames: 0, late: None };
        tokio::spawn(TAKEN.scope(Taken::default(), watched));
    }
}

pin_project! {
    struct Watched<F> {
        #[pin]
        stream: F,
        stall_timeout: Duration,
        // How many frames there had been when the last one began to wait.
        frames: u64,
        late: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let (frames, is_held) = TAKEN.with(|taken| (taken.frames.get(), taken.is_held.get()));
        if !is_held {
            *this.late = None;
            return Poll::Pending;
        }
        let late = match this.late {
            Some(late) if *this.frames == frames => late,
            late => {
                *this.frames = frames;
                late.insert(Box::pin(sleep_until(Instant::now() + *this.stall_timeout)))
            }
        };
        ready!(late.as_mut().poll(cx));
        tracing::debug!(target: "orgate", "a stream ended whose client took nothing of its response");
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::sync::mpsc;
    use tokio::time::{sleep, timeout};

    use super::*;

    const STALL: Duration = Duration::from_secs(60);

    /// Takes note as a connection does, and says when it has ended.
    fn stream() -> (mpsc::UnboundedSender<bool>, Arc<AtomicU64>, mpsc::Receiver<()>) {
        let (tell, mut told) = mpsc::unbounded_channel();
        let (end, ended) = mpsc::channel(1);
        let taken = Arc::new(AtomicU64::new(0));
        let count = taken.clone();
        Streams { stall_timeout: STALL }.execute(async move {
            let _end = end;
            while let Some(frame) = told.recv().await {
                took(frame);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        (tell, taken, ended)
    }

    #[tokio::test(start_paused = true)]
    async fn stream_ends_when_a_frame_waits_too_long_and_not_before() {
        let (tell, taken, mut ended) = stream();
        // No response yet, then one of which nothing has come.
        sleep(STALL * 3).await;
        tell.send(false).unwrap();
        sleep(STALL * 3).await;
        for _ in 0..5 {
            tell.send(true).unwrap();
            sleep(STALL / 60 * 59).await;
        }
        tell.send(false).unwrap();
        sleep(STALL * 3).await;
        assert_eq!(taken.load(Ordering::Relaxed), 7);
        tell.send(true).unwrap();
        let began = Instant::now();
        assert!(timeout(STALL * 2, ended.recv()).await.is_ok());
        assert!(began.elapsed() <= STALL + Duration::from_secs(1));
        assert!(tell.is_closed());
    }
}
