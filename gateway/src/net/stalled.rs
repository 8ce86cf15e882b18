use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::listener::Stream;
use super::requests::Requests;

/// A connection that ends when its client takes no byte of what is written for too long.
pub(super) struct Flowing {
    stream: Box<dyn Stream>,
    within: Duration,
    requests: Arc<Requests>,
    /// Until when a write that waits must go on.
    late: Option<Pin<Box<Sleep>>>,
}

impl Flowing {
    pub(super) fn new(stream: Box<dyn Stream>, within: Duration, requests: Arc<Requests>) -> Self {
        Self { stream, within, requests, late: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.requests.block(written.is_pending());
        if written.is_ready() {
            self.late = None;
            return written;
        }
        let within = self.within;
        let late = self.late.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + within)));
        match late.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Flowing {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Flowing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::{sleep, timeout};

    use super::*;

    const WITHIN: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn client_that_takes_a_byte_now_and_then_is_served_and_one_that_takes_none_is_not() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = Flowing::new(Box::new(server), WITHIN, Arc::new(Requests::new()));
        let writing = tokio::spawn(async move { server.write_all(&[0; 256]).await });
        for _ in 0..128 {
            sleep(WITHIN / 60 * 59).await;
            assert!(client.read(&mut [0; 1]).await.unwrap() > 0);
        }
        let stopped = Instant::now();
        let error = timeout(WITHIN * 2, writing).await.unwrap().unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(stopped.elapsed() <= WITHIN + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn connection_over_which_nothing_is_written_is_not_late() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = Flowing::new(Box::new(server), WITHIN, Arc::new(Requests::new()));
        server.write_all(&[0; 64]).await.unwrap();
        sleep(WITHIN * 10).await;
        assert_eq!(client.read(&mut [0; 64]).await.unwrap(), 64);
        server.write_all(b"more").await.unwrap();
        assert_eq!(client.read(&mut [0; 64]).await.unwrap(), 4);
    }
}
