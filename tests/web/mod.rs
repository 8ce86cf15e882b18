//! What the tests over HTTP share: an API with a real issuer, and requests whose answers are all searched for secrets.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use orgate::server::Builder;
use orgate::testing::TestIssuer;
use orgate::{Rejection, ResourceServer};
use tower::{Service, ServiceExt as _};

pub(crate) const RESOURCE: &str = "https://api.example.com";

/// An API that trusts one issuer and shares its clock.
pub(crate) struct Api {
    pub(crate) issuer: TestIssuer,
    pub(crate) server: ResourceServer,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::configured(|builder| builder).await
    }

    pub(crate) async fn configured(change: impl FnOnce(Builder) -> Builder) -> Self {
        let issuer = TestIssuer::start().await;
        let builder = ResourceServer::builder(issuer.url(), RESOURCE).clock(issuer.clock());
        let server = change(builder).build().unwrap();
        Self { issuer, server }
    }

    /// A token for the API and no organization.
    pub(crate) fn token(&self, scope: &str) -> String {
        self.issuer.resource_token(RESOURCE).scope(scope).mint()
    }

    /// A token with permissions of one organization.
    pub(crate) fn organization_token(&self, id: &str, scope: &str) -> String {
        self.issuer.organization_token(id).scope(scope).mint()
    }

    /// A token for the API within one organization.
    pub(crate) fn member_token(&self, id: &str, scope: &str) -> String {
        self.issuer.organization_resource_token(RESOURCE, id).scope(scope).mint()
    }

    pub(crate) async fn ask(&self, app: &Router, method: &str, target: &str, token: Option<&str>) -> Answer {
        self.send(app, request(method, target, token)).await
    }

    pub(crate) async fn send(&self, app: &Router, request: Request<Body>) -> Answer {
        let secrets = self.secrets(request.headers());
        let response: Response = app.clone().oneshot(request).await.unwrap();
        Answer::read(response, &secrets).await
    }

    /// To any service, not only to a router.
    pub(crate) async fn send_to<S, R>(&self, service: S, request: Request<Body>) -> Answer
    where
        S: Service<Request<Body>, Response = http::Response<R>>,
        S::Error: std::fmt::Debug,
        R: http_body::Body<Data = Bytes>,
        R::Error: std::fmt::Debug,
    {
        let secrets = self.secrets(request.headers());
        let response = service.oneshot(request).await.unwrap();
        Answer::read(response, &secrets).await
    }

    /// What must never be in an answer: the issuer's address, the keys' ids, the token and its signature.
    fn secrets(&self, headers: &HeaderMap) -> Vec<String> {
        let mut secrets = self.issuer.kids();
        secrets.push(self.issuer.url().trim_start_matches("http://").trim_end_matches("/oidc").to_owned());
        for value in headers.get_all("authorization") {
            let Some(token) = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")) else { continue };
            secrets.extend(token.split('.').filter(|part| part.len() > 8).map(str::to_owned));
            let header = token.split('.').next().and_then(|header| BASE64_URL_SAFE_NO_PAD.decode(header).ok());
            let header = header.and_then(|header| serde_json::from_slice::<serde_json::Value>(&header).ok());
            secrets.extend(header.and_then(|header| header["kid"].as_str().map(str::to_owned)));
        }
        secrets
    }
}

pub(crate) fn request(method: &str, target: &str, token: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(target);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Body::empty()).unwrap()
}

/// Serves on loopback; gone with the test's runtime.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) rejection: Option<Rejection>,
}

impl Answer {
    async fn read<R>(response: http::Response<R>, secrets: &[String]) -> Self
    where
        R: http_body::Body<Data = Bytes>,
        R::Error: std::fmt::Debug,
    {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let answer = Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            rejection: parts.extensions.get::<Rejection>().cloned(),
        };
        answer.holds_none_of(secrets);
        answer
    }

    fn holds_none_of(&self, secrets: &[String]) {
        assert!(!secrets.is_empty());
        let text = format!("{:?} {}", self.headers, self.body);
        for secret in secrets {
            assert!(!text.contains(secret.as_str()), "an answer with a secret ({secret}): {text}");
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn challenge(&self) -> Option<&str> {
        self.header("www-authenticate")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}
