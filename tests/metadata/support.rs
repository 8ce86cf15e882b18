//! What the tests share.

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use orgate::respond::Metadata;
use orgate::server::Builder;
use orgate::{Issuer, ResourceServer};
use tower::ServiceExt as _;

pub(crate) use crate::seen::Seen;

pub(crate) const ISSUER: &str = "https://tenant.logto.app/oidc";
pub(crate) const API: &str = "https://api.example.com";
pub(crate) const MCP: &str = "https://api.example.com/mcp";
pub(crate) const MCP_PATH: &str = "/.well-known/oauth-protected-resource/mcp";
pub(crate) const ROOT_PATH: &str = "/.well-known/oauth-protected-resource";

const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

/// An entry whose keys are never fetched.
pub(crate) fn issuer(url: &str) -> Issuer {
    Issuer::new(url).jwks_json(KEYS)
}

pub(crate) fn builder(indicator: &str) -> Builder {
    ResourceServer::builder(issuer(ISSUER), indicator)
}

pub(crate) fn server(indicator: &str, metadata: Metadata) -> ResourceServer {
    builder(indicator).metadata(metadata).build().unwrap()
}

pub(crate) async fn ok() -> &'static str {
    "ok"
}

pub(crate) async fn send(app: &Router, request: Request<Body>) -> Seen {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Seen { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

pub(crate) async fn get(app: &Router, target: &str) -> Seen {
    send(app, Request::get(target).body(Body::empty()).unwrap()).await
}

pub(crate) async fn get_at(app: &Router, host: &str, target: &str) -> Seen {
    send(app, Request::get(target).header("host", host).body(Body::empty()).unwrap()).await
}
