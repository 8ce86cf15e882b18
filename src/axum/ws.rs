//! WebSockets that close when the right to them ends.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};

use crate::lease::{Ended, Lease};

/// A client that does not read, or does not answer the close frame, is left after this time.
const FAREWELL: Duration = Duration::from_secs(2);

/// A WebSocket that closes when its lease ends: with the code of [`Ended::close_code`], and the remediation as the
/// reason.
///
/// The lease is made by the request that asks for the upgrade; it ends what is granted to the connection, not to the request.
///
/// ```
/// use axum::extract::ws::{Message, WebSocketUpgrade};
/// use axum::response::Response;
/// use orgate::axum::ws::LeasedSocket;
/// use orgate::lease::Lease;
///
/// async fn chat(lease: Lease, upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade(async move |socket| {
///         let mut socket = LeasedSocket::new(lease, socket);
///         while let Some(Ok(message)) = socket.recv().await {
///             if let Message::Text(text) = message {
///                 _ = socket.send(Message::Text(text)).await;
///             }
///         }
///     })
/// }
/// # let _: axum::routing::MethodRouter = axum::routing::any(chat);
/// ```
pub struct LeasedSocket {
    socket: WebSocket,
    lease: Arc<Lease>,
    is_closed: bool,
}

impl LeasedSocket {
    /// Ends a WebSocket with a lease.
    pub fn new(lease: impl Into<Arc<Lease>>, socket: WebSocket) -> Self {
        Self { socket, lease: lease.into(), is_closed: false }
    }

    /// Returns the lease: to [renew](Lease::renew) it with a token that the client sends, or to read why it ended.
    #[must_use]
    pub fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Receives the next message. Returns `None` once the socket is closed, by the client or because the lease has
    /// ended; in the second case the client has received the reason.
    pub async fn recv(&mut self) -> Option<Result<Message, axum::Error>> {
        if self.is_closed {
            return None;
        }
        match unless_over(&self.lease, self.socket.recv()).await {
            Ok(received) => received,
            Err(ended) => {
                self.close(ended).await;
                None
            }
        }
    }

    /// Sends a message, unless the lease has ended.
    ///
    /// # Errors
    ///
    /// Returns the socket's error, or [`Ended`] if the right has ended: then the client has been told.
    pub async fn send(&mut self, message: Message) -> Result<(), axum::Error> {
        if self.is_closed {
            return Err(axum::Error::new(std::io::Error::from(std::io::ErrorKind::NotConnected)));
        }
        match unless_over(&self.lease, self.socket.send(message)).await {
            Ok(sent) => sent,
            Err(ended) => {
                self.close(ended).await;
                Err(axum::Error::new(ended))
            }
        }
    }

    /// Tells the client why, and waits for it to close.
    async fn close(&mut self, ended: Ended) {
        self.is_closed = true;
        let reason = ended.remediation().as_str().into();
        let frame = Message::Close(Some(CloseFrame { code: ended.close_code(), reason }));
        let farewell = async {
            if self.socket.send(frame).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

/// What comes first: the end of the lease, if both are there.
async fn unless_over<T>(lease: &Lease, work: impl Future<Output = T>) -> Result<T, Ended> {
    let (mut ended, mut work) = (pin!(lease.ended()), pin!(work));
    poll_fn(|context| match ended.as_mut().poll(context) {
        Poll::Ready(ended) => Poll::Ready(Err(ended)),
        Poll::Pending => work.as_mut().poll(context).map(Ok),
    })
    .await
}

impl fmt::Debug for LeasedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasedSocket")
            .field("lease", &self.lease)
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}
