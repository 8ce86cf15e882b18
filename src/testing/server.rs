//! The HTTP side of a test issuer.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::body::AnswerBody;
use super::keys::encode;
use super::state::State;
use super::{Endpoint, Fault, lock};

type Answer = Response<AnswerBody>;

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
    if request.method() != Method::GET {
        let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
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
    let answer = match fault {
        Some(fault) => answer_with(&state, endpoint, request.headers(), fault),
        None => answer(&state, endpoint, request.headers()),
    };
    Ok(answer.map(|body| body.in_flight(flight)))
}

/// The right answer.
fn answer(state: &State, endpoint: Endpoint, asked: &HeaderMap) -> Answer {
    match endpoint {
        Endpoint::Keys => keys(state, asked),
        Endpoint::Discovery | Endpoint::All => found(endpoint, metadata(state, &state.url)),
    }
}

fn keys(state: &State, asked: &HeaderMap) -> Answer {
    let set = lock(&state.keys).jwks().to_string();
    let etag = format!("\"{}\"", encode(digest::digest(&digest::SHA256, set.as_bytes())));
    let mut answer = if has_seen(asked, &etag) {
        state.traffic.not_modified();
        let mut answer = Response::new(AnswerBody::whole(""));
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer
    } else {
        found(Endpoint::Keys, set)
    };
    if let Ok(etag) = HeaderValue::try_from(etag) {
        answer.headers_mut().insert(ETAG, etag);
    }
    let cache_control = lock(&state.cache_control).clone();
    if let Some(value) = cache_control {
        answer.headers_mut().insert(CACHE_CONTROL, value);
    }
    answer
}

/// RFC 9110 section 13.1.2: weak comparison with any of those listed.
fn has_seen(asked: &HeaderMap, etag: &str) -> bool {
    let listed = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

fn metadata(state: &State, issuer: &str) -> String {
    let here = &state.url;
    let metadata = json!({
        "issuer": issuer,
        "jwks_uri": format!("{here}/jwks"),
        "authorization_endpoint": format!("{here}/auth"),
        "token_endpoint": format!("{here}/token"),
        "introspection_endpoint": format!("{here}/token/introspection"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [lock(&state.keys).signing().alg()],
    });
    metadata.to_string()
}

/// The answer that the fault makes of the right one.
fn answer_with(state: &State, endpoint: Endpoint, asked: &HeaderMap, fault: Fault) -> Answer {
    let right = || match endpoint {
        Endpoint::Keys => lock(&state.keys).jwks().to_string(),
        Endpoint::Discovery | Endpoint::All => metadata(state, &state.url),
    };
    match fault {
        Fault::Status(status) => refuse(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)),
        Fault::Garbage => found(endpoint, &b"\x00\xff{]\xfe not JSON"[..]),
        Fault::Empty => found(endpoint, ""),
        Fault::Body(body) => found(endpoint, body),
        Fault::Huge => found(endpoint, right() + &" ".repeat(300 * 1024)),
        Fault::Drip => found(endpoint, "").map(|_| AnswerBody::drip()),
        Fault::Reset => found(endpoint, "").map(|_| AnswerBody::cut(Bytes::from(right()))),
        Fault::Redirect(to) => {
            let mut answer = refuse(StatusCode::FOUND);
            if let Ok(to) = HeaderValue::try_from(to) {
                answer.headers_mut().insert(LOCATION, to);
            }
            answer
        }
        Fault::WrongIssuer if endpoint != Endpoint::Keys => {
            found(endpoint, metadata(state, &format!("{}/other", state.url)))
        }
        Fault::NoKeys if endpoint == Endpoint::Keys => found(endpoint, json!({ "keys": [] }).to_string()),
        Fault::TooManyKeys(count) if endpoint == Endpoint::Keys => found(endpoint, crowd(state, count)),
        Fault::Delay(_) | Fault::Hold | Fault::Hang | Fault::WrongIssuer | Fault::NoKeys | Fault::TooManyKeys(_) => {
            answer(state, endpoint, asked)
        }
    }
}

/// The published keys, and copies of one that is not, up to `count`.
fn crowd(state: &State, count: usize) -> String {
    let stranger = lock(&state.keys).stranger().jwk();
    let mut set = lock(&state.keys).jwks();
    if let Some(keys) = set.get_mut("keys").and_then(Value::as_array_mut) {
        keys.extend((keys.len()..count).map(|number| {
            let mut jwk = stranger.clone();
            if let Some(jwk) = jwk.as_object_mut() {
                jwk.insert("kid".to_owned(), format!("one-of-many-{number}").into());
            }
            jwk
        }));
    }
    set.to_string()
}

fn found(endpoint: Endpoint, body: impl Into<Bytes>) -> Answer {
    let media_type = match endpoint {
        Endpoint::Keys => "application/jwk-set+json; charset=utf-8",
        Endpoint::Discovery | Endpoint::All => "application/json; charset=utf-8",
    };
    let mut answer = Response::new(AnswerBody::whole(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

fn refuse(status: StatusCode) -> Answer {
    let body = json!({ "error": status.canonical_reason().unwrap_or("unknown") }).to_string();
    let mut answer = found(Endpoint::All, body);
    *answer.status_mut() = status;
    answer
}
