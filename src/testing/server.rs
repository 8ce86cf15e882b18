//! The HTTP side of a test issuer.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{ALLOW, IF_NONE_MATCH};
use http::{HeaderValue, Request, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::answers::{self, Answer, Right, faulty, refuse};
use super::body::AnswerBody;
use super::state::State;
use super::{Endpoint, Fault};
use crate::lock::lock;

/// The tasks that serve; they end with it.
#[derive(Debug)]
pub(super) struct Server {
    door: Arc<Mutex<Door>>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Door {
    open: bool,
    connections: JoinSet<()>,
}

impl Server {
    pub(super) fn spawn(listener: TcpListener, state: Arc<State>) -> Self {
        let door = Arc::new(Mutex::new(Door { open: true, connections: JoinSet::new() }));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&door), state)).abort_handle();
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

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.close();
    }
}

async fn accept(listener: TcpListener, door: Arc<Mutex<Door>>, state: Arc<State>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => lock(&door).enter(stream, Arc::clone(&state)),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

impl Door {
    fn enter(&mut self, stream: TcpStream, state: Arc<State>) {
        if !self.open {
            let _ = stream.set_zero_linger();
            return;
        }
        while self.connections.try_join_next().is_some() {}
        self.connections.spawn(async move {
            let service = service_fn(move |request| serve(Arc::clone(&state), request));
            // An error is the client's going away, or a fault that was asked for.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn serve(state: Arc<State>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let Some(endpoint) = state.endpoint(request.uri().path()) else {
        return Ok(refuse(StatusCode::NOT_FOUND));
    };
    if *request.method() != endpoint.method() {
        let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED);
        if let Ok(allowed) = HeaderValue::from_str(endpoint.method().as_str()) {
            answer.headers_mut().insert(ALLOW, allowed);
        }
        return Ok(answer);
    }
    // Before the arrival is told, so that a release that follows it is not missed.
    let mut released = state.released.subscribe();
    let flight = state.traffic.arrive(endpoint);
    let fault = lock(&state.script).take(endpoint);
    match &fault {
        Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Hold) => {
            let _ = released.changed().await;
        }
        _ => {}
    }
    let (head, body) = request.into_parts();
    let mut asked = Request::from_parts(head, read(body).await);
    if matches!(fault, Some(Fault::Huge | Fault::Reset)) {
        // What is too large, or breaks off, is a body.
        asked.headers_mut().remove(IF_NONE_MATCH);
    }
    let answer = match fault {
        None => right(&state, endpoint, &asked).map(AnswerBody::whole),
        Some(fault) => faulty(&state, endpoint, fault, || right(&state, endpoint, &asked)),
    };
    Ok(answer.map(|body| body.in_flight(flight)))
}

fn right(state: &Arc<State>, endpoint: Endpoint, asked: &Request<Bytes>) -> Right {
    if let Some(tenant) = &state.tenant
        && let Some(answer) = tenant.answer(state, endpoint, asked)
    {
        return answer;
    }
    match endpoint {
        Endpoint::Keys => answers::keys(state, asked.headers()),
        _ => answers::metadata(state, &state.url),
    }
}

/// Up to 64 KiB: no right request is longer.
async fn read(mut body: Incoming) -> Bytes {
    let mut whole = Vec::new();
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Some(data) = frame.data_ref() {
            whole.extend_from_slice(data);
        }
        if whole.len() > 64 * 1024 {
            break;
        }
    }
    whole.into()
}
