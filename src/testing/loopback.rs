//! The one server on loopback that issuers and decision points of tests are.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::body::AnswerBody;
use crate::lock::lock;

/// No right request is longer.
const MOST_BYTES: usize = 1024 * 1024;

/// The tasks that serve; they end with it.
#[derive(Debug)]
pub(super) struct Loopback {
    door: Arc<Mutex<Door>>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Door {
    open: bool,
    connections: JoinSet<()>,
}

impl Loopback {
    pub(super) fn spawn<S, F>(listener: TcpListener, serve: S) -> Self
    where
        S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<AnswerBody>> + Send + 'static,
    {
        let door = Arc::new(Mutex::new(Door { open: true, connections: JoinSet::new() }));
        let accepting = tokio::spawn(accept(listener, door.clone(), serve)).abort_handle();
        Self { door, accepting }
    }

    /// Closes every connection, and resets those to come: the port stays ours.
    pub(super) fn close(&self) {
        let mut door = lock(&self.door);
        door.open = false;
        door.connections.abort_all();
    }

    pub(super) fn open(&self) {
        lock(&self.door).open = true;
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.accepting.abort();
        self.close();
    }
}

async fn accept<S, F>(listener: TcpListener, door: Arc<Mutex<Door>>, serve: S)
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<AnswerBody>> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => lock(&door).enter(stream, serve.clone()),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

impl Door {
    fn enter<S, F>(&mut self, stream: TcpStream, serve: S)
    where
        S: Fn(Request<Incoming>) -> F + Send + 'static,
        F: Future<Output = Response<AnswerBody>> + Send + 'static,
    {
        if !self.open {
            let _ = stream.set_zero_linger();
            return;
        }
        while self.connections.try_join_next().is_some() {}
        self.connections.spawn(async move {
            let service = service_fn(move |request| {
                let answer = serve(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            // An error is the client's going away, or a fault that was asked for.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The body of a request, as far as it is read.
pub(super) async fn read(mut body: Incoming) -> Bytes {
    let mut whole = Vec::new();
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Some(data) = frame.data_ref() {
            whole.extend_from_slice(data);
        }
        if whole.len() > MOST_BYTES {
            break;
        }
    }
    whole.into()
}
