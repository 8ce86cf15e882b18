//! Servers that answer what a test says, and requests to what orgate protects.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use orgate::logto::webhooks::SigningKeys;
use orgate::policy::resource;
use orgate::testing::{TestClock, TestIssuer, TestTenant};
use orgate::{Issuer, ResourceServer};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const API: &str = "https://api.example.com";
/// 2027-01-15T08:00:00Z.
pub(crate) const START: Duration = Duration::from_secs(1_800_000_000);

/// Status, headers, body.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// Starts a server on loopback that answers a path with its query as `make` says, whose first argument is the server's URL.
pub(crate) async fn origin(make: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (base, make) = (url.clone(), Arc::new(make));
    let app = Router::new().fallback(move |request: Request<Body>| {
        let (base, make) = (base.clone(), make.clone());
        async move {
            let (status, headers, body) = make(&base, request.uri().path_and_query().unwrap().as_str());
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response.headers_mut().append(name, HeaderValue::from_str(&value).unwrap());
            }
            response
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

pub(crate) fn json_answer(value: &Value) -> Answer {
    (200, vec![("content-type", "application/json".to_owned())], value.to_string().into_bytes())
}

pub(crate) fn metadata(base: &str) -> Answer {
    json_answer(&json!({ "issuer": base, "jwks_uri": format!("{base}/jwks") }))
}

/// Starts an issuer whose key set is this document, byte by byte, with these headers.
pub(crate) async fn publishing(document: impl Into<Vec<u8>>, headers: Vec<(&'static str, String)>) -> String {
    let document = document.into();
    origin(move |base, path| match path {
        "/.well-known/openid-configuration" => metadata(base),
        "/jwks" => (200, headers.clone(), document.clone()),
        _ => (404, vec![], vec![]),
    })
    .await
}

pub(crate) fn keys_of(issuer: &TestIssuer) -> Vec<Value> {
    serde_json::from_str::<Value>(&issuer.jwks_json()).unwrap()["keys"].as_array().unwrap().clone()
}

/// A server that needs no key set over the network.
pub(crate) fn local(issuer: &TestIssuer) -> ResourceServer {
    ResourceServer::builder(Issuer::new(issuer.url()).jwks_json(issuer.jwks_json()), API)
        .clock(issuer.clock())
        .build()
        .unwrap()
}

pub(crate) fn api(server: &ResourceServer) -> Router {
    server.guard().get("/", async || "ok", resource()).into_router().unwrap()
}

pub(crate) async fn send(app: &Router, path: &str, authorization: &str) -> Response<Body> {
    let request = Request::get(path).header("authorization", authorization).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

pub(crate) async fn get(app: &Router, path: &str, token: &str) -> StatusCode {
    send(app, path, &format!("Bearer {token}")).await.status()
}

pub(crate) async fn issuer_at(clock: &TestClock) -> TestIssuer {
    TestIssuer::builder().clock(clock.clone()).start().await
}

/// Why the keys of the first entry were not fetched.
pub(crate) fn last_error(server: &ResourceServer) -> Option<String> {
    server.keys()[0].last_error().map(str::to_owned)
}

/// A delivery as Logto signs it.
pub(crate) fn delivery(tenant: &TestTenant, name: &str, at: &str, rest: &Value) -> (HeaderMap, Bytes) {
    let mut body = json!({ "event": name, "createdAt": at, "hookId": "hook" });
    for (name, value) in rest.as_object().unwrap() {
        body[name] = value.clone();
    }
    tenant.sign_delivery(body.to_string()).into_parts()
}

pub(crate) fn signing_keys(tenant: &TestTenant) -> SigningKeys {
    SigningKeys::new([tenant.signing_key()]).unwrap()
}
