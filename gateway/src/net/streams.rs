use std::cell::OnceCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::backlog::Backlog;

tokio::task_local! {
    static BACKLOG: OnceCell<Arc<Backlog>>;
}

/// Has the stream that runs end if its client takes nothing of this for too long.
pub(super) fn watch(backlog: &Arc<Backlog>) {
    _ = BACKLOG.try_with(|watched| {
        watched.get_or_init(|| backlog.clone());
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
        let watched = Watched { stream, stall_timeout: self.stall_timeout, late: None };
        tokio::spawn(BACKLOG.scope(OnceCell::new(), watched));
    }
}

pin_project! {
    struct Watched<F> {
        #[pin]
        stream: F,
        stall_timeout: Duration,
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
        loop {
            let since = BACKLOG.with(|backlog| backlog.get().and_then(|backlog| backlog.since()));
            let Some(since) = since else {
                *this.late = None;
                return Poll::Pending;
            };
            let until = since + *this.stall_timeout;
            let late = this.late.get_or_insert_with(|| Box::pin(sleep_until(until)));
            ready!(late.as_mut().poll(cx));
            if until <= Instant::now() {
                break;
            }
            // Some was taken since it was set.
            late.as_mut().reset(until);
        }
        tracing::debug!(target: "orgate", "a stream ended whose client took nothing of its response");
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Buf as _, Bytes};
    use tokio::sync::mpsc;
    use tokio::time::{sleep, timeout};

    use super::super::requests::Requests;
    use super::*;

    const STALL: Duration = Duration::from_secs(60);

    /// A stream that watches a backlog, asks for more of it when it is told, and says when it has ended.
    fn stream(backlog: &Arc<Backlog>) -> (mpsc::UnboundedSender<()>, mpsc::Receiver<()>) {
        let (tell, mut told) = mpsc::unbounded_channel();
        let (end, ended) = mpsc::channel(1);
        let backlog = backlog.clone();
        Streams { stall_timeout: STALL }.execute(async move {
            let _end = end;
            watch(&backlog);
            while told.recv().await.is_some() {}
        });
        (tell, ended)
    }

    #[tokio::test(start_paused = true)]
    async fn stream_ends_when_no_byte_of_a_part_is_taken_for_too_long_and_not_before() {
        let backlog = Arc::new(Backlog::new(Arc::new(Requests::new()).open()));
        let (tell, mut ended) = stream(&backlog);
        // A response of which nothing has come.
        sleep(STALL * 3).await;
        let mut part = backlog.part(Bytes::from_static(&[0; 100]));
        tell.send(()).unwrap();
        for _ in 0..5 {
            sleep(STALL / 60 * 59).await;
            part.advance(1);
        }
        part.advance(95);
        sleep(STALL * 3).await;
        assert!(!tell.is_closed());
        // Of two, the second may wait for as long as the first one is taken.
        let (mut first, second) =
            (backlog.part(Bytes::from_static(b"first")), backlog.part(Bytes::from_static(b"more")));
        tell.send(()).unwrap();
        sleep(STALL / 60 * 59).await;
        first.advance(5);
        let began = Instant::now();
        assert!(timeout(STALL * 2, ended.recv()).await.is_ok());
        assert!(began.elapsed().abs_diff(STALL) <= Duration::from_secs(1), "{:?}", began.elapsed());
        assert!(tell.is_closed());
        drop((first, second));
    }
}
