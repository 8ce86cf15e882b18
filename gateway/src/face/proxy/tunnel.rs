//! A WebSocket between client and upstream, and its end.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use orgate::lease::{Ended, Lease};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, copy_bidirectional};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use super::frames::{self, Frames};
use crate::net::Place;

/// How long a frame that has begun may take to end, and a client to read why the connection ends and to close it.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a connection lasts that one of its ends has closed.
const HALF_CLOSED: Duration = Duration::from_secs(10);

/// Connects both ends until one of them closes, or what let the client in is over. The connection keeps its place until then.
pub(super) fn connect(
    (client, upstream): (OnUpgrade, OnUpgrade),
    lease: Option<Lease>,
    retired: impl Future<Output = Ended> + Send + 'static,
    place: Option<Place>,
) {
    tokio::spawn(async move {
        let _place = place;
        let (client, upstream) = match tokio::try_join!(client, upstream) {
            Ok(ends) => ends,
            Err(error) => {
                tracing::debug!(target: "orgate", %error, "a WebSocket was not connected");
                return;
            }
        };
        let ended = async {
            match &lease {
                Some(lease) => tokio::select! {
                    ended = lease.ended() => ended,
                    ended = retired => ended,
                },
                None => retired.await,
            }
        };
        tunnel(TokioIo::new(client), TokioIo::new(upstream), ended).await;
    });
}

async fn tunnel<C, U>(client: C, mut upstream: U, ended: impl Future<Output = Ended>)
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (is_over, half_closed) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let frames = Frames::default();
    let mut client = Client { io: client, frames, is_over: is_over.clone(), half_closed: half_closed.clone() };
    // An end that has nothing to say does not notice that the other one is gone.
    let abandoned = async {
        half_closed.notified().await;
        sleep(HALF_CLOSED).await;
    };
    let ended = {
        let mut copied = pin!(copy_bidirectional(&mut client, &mut upstream));
        let ended = tokio::select! {
            biased;
            ended = ended => ended,
            _ = &mut copied => return,
            () = abandoned => return,
        };
        tracing::debug!(target: "orgate", %ended, "a WebSocket ended with its right");
        is_over.store(true, Ordering::Relaxed);
        let until = Instant::now() + FAREWELL;
        // Ends with an error as soon as no frame is left half sent.
        _ = timeout_at(until, copied).await;
        (ended, until)
    };
    drop(upstream);
    let (ended, until) = ended;
    _ = timeout_at(until, client.close(ended)).await;
}

/// The client's end. Once it is over, nothing more is read from it, and no further frame is written to it.
struct Client<C> {
    io: C,
    /// Those that were written to it.
    frames: Frames,
    is_over: Arc<AtomicBool>,
    /// Told when the client or the upstream has closed.
    half_closed: Arc<Notify>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Client<C> {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Tells the client why, unless it is told already or a frame is half sent, and waits for it to close.
    async fn close(&mut self, ended: Ended) -> io::Result<()> {
        if self.frames.are_between() && !self.frames.have_closed() {
            self.io.write_all(&frames::close(ended.close_code(), ended.remediation().as_str())).await?;
        }
        self.io.shutdown().await?;
        // A connection that is closed with bytes unread may lose those that were written last.
        while self.io.read(&mut [0; 4096]).await? > 0 {}
        Ok(())
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncRead for Client<C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_over() {
            let may_end = self.frames.are_between();
            return if may_end { Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())) } else { Poll::Pending };
        }
        let room = buffer.remaining();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        if room > 0 && buffer.remaining() == room {
            self.half_closed.notify_one();
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Client<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut bytes = bytes;
        if self.is_over() {
            if self.frames.are_between() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            let mut ahead = self.frames;
            bytes = ahead.end_of_frame(bytes).and_then(|end| bytes.get(..end)).unwrap_or(bytes);
        }
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.frames.pass(bytes.get(..written).unwrap_or_default());
        if self.is_over() {
            // The frame may have ended, and whoever copies looks at once.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.half_closed.notify_one();
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    /// The ends that the client and the upstream have, and what ends the connection.
    fn connected() -> (DuplexStream, DuplexStream, oneshot::Sender<Ended>, tokio::task::JoinHandle<()>) {
        let ((client, outer), (upstream, inner)) = (duplex(1024), duplex(1024));
        let (end, ended) = oneshot::channel();
        let ended = async move { ended.await.unwrap() };
        (client, upstream, end, tokio::spawn(tunnel(outer, inner, ended)))
    }

    async fn some(stream: &mut DuplexStream) -> Vec<u8> {
        let mut bytes = [0; 64];
        let read = stream.read(&mut bytes).await.unwrap();
        bytes[..read].to_vec()
    }

    async fn rest(stream: &mut DuplexStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    const CLOSE: [u8; 9] = [0x88, 7, 0x03, 0xf4, b'r', b'e', b't', b'r', b'y'];

    #[tokio::test(start_paused = true)]
    async fn client_of_an_ended_connection_receives_a_close_frame_and_sends_nothing_more() {
        let (mut client, mut upstream, end, task) = connected();
        upstream.write_all(&[0x82, 2, 1, 2]).await.unwrap();
        assert_eq!(some(&mut client).await, [0x82, 2, 1, 2]);
        client.write_all(b"before").await.unwrap();
        assert_eq!(some(&mut upstream).await, b"before");
        end.send(Ended::closing()).unwrap();
        assert_eq!(rest(&mut upstream).await, b"");
        client.write_all(b"after").await.unwrap();
        assert_eq!(rest(&mut client).await, CLOSE);
        drop(client);
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn frame_that_has_begun_ends_before_the_close_frame_and_no_other_is_sent() {
        let (mut client, mut upstream, end, _task) = connected();
        upstream.write_all(&[0x82, 4, 1, 2]).await.unwrap();
        assert_eq!(some(&mut client).await, [0x82, 4, 1, 2]);
        end.send(Ended::closing()).unwrap();
        sleep(FAREWELL / 2).await;
        upstream.write_all(&[3, 4, 0x82, 1, 5]).await.unwrap();
        assert_eq!(rest(&mut client).await, [&[3, 4], &CLOSE[..]].concat());
    }

    #[tokio::test(start_paused = true)]
    async fn frame_that_does_not_end_in_time_is_cut_off_without_a_close_frame() {
        let (mut client, mut upstream, end, task) = connected();
        upstream.write_all(&[0x82, 4, 1, 2]).await.unwrap();
        assert_eq!(some(&mut client).await, [0x82, 4, 1, 2]);
        let started = Instant::now();
        end.send(Ended::closing()).unwrap();
        assert_eq!(rest(&mut client).await, b"");
        assert!(started.elapsed() <= FAREWELL + Duration::from_millis(10));
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_follows_a_close_frame_of_the_upstream() {
        let (mut client, mut upstream, end, _task) = connected();
        upstream.write_all(&[0x88, 2, 0x03, 0xe8]).await.unwrap();
        assert_eq!(some(&mut client).await, [0x88, 2, 0x03, 0xe8]);
        end.send(Ended::closing()).unwrap();
        assert_eq!(rest(&mut client).await, b"");
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_neither_reads_nor_closes_is_left_in_time() {
        let (client, mut upstream, end, task) = connected();
        // More than the connection holds.
        let filling = tokio::spawn(async move { upstream.write_all(&vec![0x82; 64 * 1024]).await });
        sleep(Duration::from_millis(1)).await;
        let started = Instant::now();
        end.send(Ended::closing()).unwrap();
        task.await.unwrap();
        assert!(started.elapsed() <= FAREWELL + Duration::from_millis(10));
        assert!(filling.await.unwrap().is_err());
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn connection_that_its_client_has_closed_is_left_in_time_by_a_silent_upstream() {
        let (client, mut upstream, _end, task) = connected();
        drop(client);
        assert_eq!(rest(&mut upstream).await, b"");
        timeout(HALF_CLOSED + Duration::from_millis(10), task).await.unwrap().unwrap();
        assert!(upstream.write_all(b"late").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_has_closed_its_half_still_receives_what_the_upstream_sends_soon() {
        let (mut client, mut upstream, _end, task) = connected();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut upstream).await, b"");
        sleep(HALF_CLOSED / 2).await;
        upstream.write_all(&[0x88, 2, 0x03, 0xe8]).await.unwrap();
        drop(upstream);
        assert_eq!(rest(&mut client).await, [0x88, 2, 0x03, 0xe8]);
        timeout(Duration::from_millis(10), task).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn connection_that_its_upstream_has_closed_is_left_in_time() {
        let (mut client, upstream, _end, task) = connected();
        drop(upstream);
        assert_eq!(rest(&mut client).await, b"");
        timeout(HALF_CLOSED + Duration::from_millis(10), task).await.unwrap().unwrap();
    }
}
