use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::Current;
use crate::answer;
use crate::gateway::Gateway;
use crate::net::{Body, Connections, Peer, full};
use crate::routes::Format;
use crate::telemetry;

/// Probers give up after a second by default.
const PROBE: Duration = Duration::from_millis(900);
const KEY_SET: &str = "/.well-known/jwks.json";

/// Tells operators how the gateway is: nothing that a client needs.
pub(crate) struct Admin(pub(crate) Current);

/// Serves the key set of assertions, and nothing else.
pub(crate) struct KeySet(pub(crate) Current);

impl Connections for Admin {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: Peer) -> Response<Body> {
        let gateway = self.0.load_full();
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return answer::wrong_method(&[Method::GET, Method::HEAD]).map(full);
        }
        match request.uri().path() {
            "/live" => text("live\n".to_owned()),
            "/ready" => ready(&gateway).await,
            "/metrics" => metrics(&gateway),
            "/routes" => text(crate::routes::table(&gateway, Format::Text)),
            "/keys" => keys(&gateway),
            KEY_SET => key_set(&gateway),
            _ => answer::no_route().map(full),
        }
    }
}

impl Connections for KeySet {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: Peer) -> Response<Body> {
        let gateway = self.0.load_full();
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, KEY_SET) => key_set(&gateway),
            (_, KEY_SET) => answer::wrong_method(&[Method::GET, Method::HEAD]).map(full),
            _ => answer::no_route().map(full),
        }
    }
}

/// Answers with the state of the log of changes, whether or not it is what is missing.
async fn ready(gateway: &Gateway) -> Response<Body> {
    let error = match tokio::time::timeout(PROBE, gateway.server.ready()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("not ready within {} ms", PROBE.as_millis())),
    };
    let mut body = error.as_deref().unwrap_or("ready").to_owned();
    body.push('\n');
    let logs = [("change log", gateway.server.change_log()), ("change file", gateway.server.change_file())];
    for (name, status) in logs {
        let Some(status) = status else { continue };
        let state = if status.is_current { "current" } else { "behind" };
        _ = write!(body, "{name}: {state}, {} pending, {} failures", status.pending, status.failures);
        _ = match &status.error {
            Some(error) => writeln!(body, ", last error: {error}"),
            None => writeln!(body),
        };
    }
    let mut response = text(body);
    if error.is_some() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

fn metrics(gateway: &Gateway) -> Response<Body> {
    match telemetry::render(gateway) {
        Some(text) => body(text, "text/plain; version=0.0.4; charset=utf-8"),
        None => answer::no_route().map(full),
    }
}

fn keys(gateway: &Gateway) -> Response<Body> {
    let sets = gateway.server.keys();
    let sets: Vec<_> = sets
        .iter()
        .map(|set| {
            json!({
                "issuer": set.issuer_name(),
                "state": format!("{:?}", set.state()),
                "age_seconds": set.age().map(|age| age.as_secs()),
                "key_ids": set.key_ids(),
                "last_error": set.last_error(),
            })
        })
        .collect();
    body(json!(sets).to_string(), "application/json")
}

fn key_set(gateway: &Gateway) -> Response<Body> {
    match &gateway.identity.key {
        Some(key) => body(key.key_set().to_string(), "application/jwk-set+json"),
        None => answer::no_route().map(full),
    }
}

fn text(text: String) -> Response<Body> {
    body(text, "text/plain; charset=utf-8")
}

fn body(text: String, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(full(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
