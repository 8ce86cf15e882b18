use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

use crate::net::{Body, full};

/// A request as an application got it.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) head: http::request::Parts,
    pub(super) body: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

/// An application that remembers what it was sent.
#[derive(Clone)]
pub(super) struct Recorder {
    pub(super) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Recorder {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let recorder = Self { address: listener.local_addr().unwrap(), received: Arc::default() };
        let received = recorder.received.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let received = received.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, received.clone()));
                    let mut builder = auto::Builder::new(TokioExecutor::new());
                    builder.http1().max_headers(512).max_buf_size(128 * 1024);
                    _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
                });
            }
        });
        recorder
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(super) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

async fn answer(request: Request<Incoming>, received: Arc<Mutex<Vec<Received>>>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/public/upgrade"
        && let Some(protocol) = request.headers().get(UPGRADE).cloned()
    {
        return Ok(upgraded(request, protocol, &received));
    }
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let Ok(body) = body.collect().await else {
        let mut response = Response::new(full("broken"));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(response);
    };
    let trailers = body.trailers().cloned();
    received.lock().unwrap().push(Received { head, body: body.to_bytes(), trailers });
    let mut response = Response::new(full("served"));
    match path.as_str() {
        "/public/304" => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = full("");
            response.headers_mut().insert("etag", HeaderValue::from_static("\"x\""));
        }
        "/public/range" => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            response.headers_mut().insert("content-range", HeaderValue::from_static("bytes 0-5/10"));
        }
        "/slow" => tokio::time::sleep(std::time::Duration::from_secs(5)).await,
        _ => {}
    }
    response.headers_mut().insert("keep-alive", HeaderValue::from_static("timeout=5"));
    response.headers_mut().insert("x-served-by", HeaderValue::from_static("application"));
    Ok(response)
}

/// Changes to whatever protocol the client wants, and then repeats what it reads.
fn upgraded(request: Request<Incoming>, protocol: HeaderValue, received: &Mutex<Vec<Received>>) -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, protocol);
    headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let (head, body) = request.into_parts();
    received.lock().unwrap().push(Received { head: head.clone(), body: Bytes::new(), trailers: None });
    tokio::spawn(async move {
        if let Ok(connection) = hyper::upgrade::on(Request::from_parts(head, body)).await {
            let (mut read, mut write) = tokio::io::split(TokioIo::new(connection));
            _ = tokio::io::copy(&mut read, &mut write).await;
        }
    });
    response
}
