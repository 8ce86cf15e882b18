use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::listener::Stream;

/// What a connection of HTTP/2 begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose protocol must be known in time. The server's own limits begin after that.
pub(super) struct Opening {
    stream: Box<dyn Stream>,
    /// How much of the preface was read, and until when the rest must be.
    waiting: Option<(usize, Pin<Box<Sleep>>)>,
}

impl Opening {
    pub(super) fn new(stream: Box<dyn Stream>, within: Duration) -> Self {
        Self { stream, waiting: Some((0, Box::pin(tokio::time::sleep(within)))) }
    }

    /// Takes note of what came first.
    fn learn(&mut self, read: &[u8]) {
        let Some((known, _)) = &mut self.waiting else { return };
        let expected = PREFACE.get(*known..).unwrap_or_default();
        let same = read.len().min(expected.len());
        if read.get(..same) == expected.get(..same) && same < expected.len() {
            *known += same;
        } else {
            self.waiting = None;
        }
    }
}

impl AsyncRead for Opening {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match polled {
            Poll::Ready(Ok(())) => self.learn(buffer.filled().get(before..).unwrap_or_default()),
            Poll::Pending => {
                if let Some((_, late)) = &mut self.waiting
                    && late.as_mut().poll(cx).is_ready()
                {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        polled
    }
}

impl AsyncWrite for Opening {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn read(sent: &[u8]) -> io::Result<usize> {
        let (client, server) = tokio::io::duplex(64);
        let mut server = Opening::new(Box::new(server), Duration::from_secs(10));
        let mut client = client;
        for byte in sent {
            tokio::io::AsyncWriteExt::write_all(&mut client, &[*byte]).await?;
            server.read_u8().await?;
        }
        // Longer than the protocol may take to be known, and no more than that.
        tokio::time::timeout(Duration::from_secs(60), server.read(&mut [0; 8])).await.unwrap_or(Ok(0))
    }

    #[tokio::test(start_paused = true)]
    async fn connection_without_a_known_protocol_ends_in_time() {
        for sent in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
            assert_eq!(read(sent).await.unwrap_err().kind(), io::ErrorKind::TimedOut, "{sent:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn connection_with_a_known_protocol_has_other_limits() {
        for sent in [PREFACE, b"G", b"PO", b"GET / HTTP/1.0\r\n\r\n"] {
            assert_eq!(read(sent).await.unwrap(), 0, "{sent:?}");
        }
    }
}
