//! Routers in routers: what is guarded, what is public, and what no path reaches.

use axum::body::{Body, to_bytes};
use axum::routing::{MethodFilter, get};
use axum::{Json, Router};
use http::{Request, StatusCode};
use orgate::policy::resource;
use orgate::respond::RejectionBody;
use orgate::testing::TestIssuer;
use orgate::{Issuer, ResourceServer};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{API, local};

/// Method, path, status without a token.
const EXPECTED: &[(&str, &str, u16)] = &[
    ("GET", "/open/a", 200),
    ("GET", "/open/b", 401),
    ("POST", "/open/a", 405),
    ("GET", "/open", 401),
    ("GET", "/open/", 401),
    ("GET", "/own/a", 200),
    ("GET", "/own/zzz", 200),
    ("GET", "/ownx", 401),
    ("GET", "/own/../files/1", 200),
    ("GET", "/foo/x", 401),
    ("HEAD", "/foo/x", 401),
    ("OPTIONS", "/foo/x", 405),
    ("GET", "/%2e%2e/x", 401),
    ("GET", "/a%2Fb/x", 401),
    ("GET", "//x", 401),
    ("GET", "/foo//x", 401),
    ("GET", "/files/a/../../open/a", 401),
    ("POST", "/m", 401),
    ("PURGE", "/m", 401),
    ("HEAD", "/m", 401),
    ("PURGE", "/any", 401),
    ("HEAD", "/any", 200),
    ("POST", "/any", 401),
    ("GET", "/ANY", 401),
    ("GET", "/any/", 401),
    ("CONNECT", "/any", 401),
    ("TRACE", "/any", 401),
];

#[tokio::test]
async fn only_what_was_declared_public_is_reached_without_a_token() {
    let issuer = TestIssuer::start().await;
    let open = Router::new().route("/a", get(async || "public"));
    let with_fallback = Router::new().route("/a", get(async || "public")).fallback(async || "public fallback");
    let method_router = get(async || "m").fallback(async || "m fallback");
    let app: Router = local(&issuer)
        .guard()
        .public_router("/open", open)
        .public_router("/own", with_fallback)
        .get("/{tenant}/x", async || "guarded", resource())
        .get("/files/{*rest}", async || "guarded", resource())
        .route("/m", method_router, resource())
        .any("/any", async || "guarded", resource())
        .public_on("/any", MethodFilter::GET, async || "public")
        .fallback(async || "guarded fallback", resource())
        .into_router()
        .unwrap();
    let nested = Router::new().nest("/api/{tenant}", app.clone());
    let mut wrong = Vec::new();
    for (prefix, app) in [("", app), ("/api/acme", nested)] {
        for (method, path, expected) in EXPECTED {
            let request =
                Request::builder().method(*method).uri(format!("{prefix}{path}")).body(Body::empty()).unwrap();
            let status = app.clone().oneshot(request).await.unwrap().status().as_u16();
            if status != *expected {
                wrong.push(format!("{prefix} {method} {path}: {status}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The two answers that are axum's, in the shape of the rest of the API.
#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_can_have_the_body_of_every_rejection() {
    let envelope = |code: &str| json!({ "code": code });
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(Issuer::new(issuer.url()).jwks_json(issuer.jwks_json()), API)
        .rejection_body(move |rejection, _| RejectionBody::json(&envelope(rejection.kind().as_str())))
        .build()
        .unwrap();
    let guard = server.guard().get("/a", async || "", resource()).get("/b/{id}", async || "", resource());
    let guard = guard.public_fallback(async move || (StatusCode::NOT_FOUND, Json(envelope("not_found"))));
    let app: Router = guard
        .into_router()
        .unwrap()
        .method_not_allowed_fallback(async move || (StatusCode::METHOD_NOT_ALLOWED, Json(envelope("wrong_method"))));
    for (method, path, status, code, allow) in [
        ("GET", "/a", 401, "missing_token", None),
        ("GET", "/nowhere", 404, "not_found", None),
        ("DELETE", "/a", 405, "wrong_method", Some("GET,HEAD")),
        ("POST", "/b/1", 405, "wrong_method", Some("GET,HEAD")),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(answer.headers().get("allow").map(|allow| allow.to_str().unwrap()), allow, "{method} {path}");
        let body = to_bytes(answer.into_body(), 1000).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), envelope(code), "{method} {path}");
    }
}
