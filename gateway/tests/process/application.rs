//! Applications behind the gateway.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Answers at once, and remembers the headers of each request.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let recorder = Self { address: listener.local_addr().unwrap(), received: Arc::default() };
        let received = recorder.received.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let received = received.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        received.lock().unwrap().push(request.headers().clone());
                        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"served")))) }
                    });
                    _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        recorder
    }

    pub(crate) fn take(&self) -> Vec<HeaderMap> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

/// Repeats each body while it reads it.
pub(crate) async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let service = service_fn(async |request: Request<Incoming>| {
                    Ok::<_, Infallible>(Response::new(request.into_body().boxed()))
                });
                _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// Sends the head of a response to whoever connects, and the rest when it is told to. Returns the connections that wait.
pub(crate) async fn held() -> (SocketAddr, tokio::sync::mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (send, waiting) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            _ = stream.read(&mut [0; 4096]).await;
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
            _ = send.send(stream).await;
        }
    });
    (address, waiting)
}
