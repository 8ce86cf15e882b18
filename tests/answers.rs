//! What a rejected request is told, what the log is told, and what neither is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod web;

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use http::{HeaderName, HeaderValue};
use orgate::axum::Authorizer;
use orgate::logto::webhooks::SigningKeys;
use orgate::policy::{Facts, any_organization, authenticated, optional, organization, path, resource};
use orgate::rejection::{RejectionKind, Remediation};
use orgate::respond::RejectionBody;
use orgate::testing::{Endpoint, Fault};
use orgate::websocket::Unauthenticated;
use orgate::{AccessToken, Claims, Guard, Organization};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use web::{Answer, Api, RESOURCE, request, serve};

const REALM: &str = "Bearer realm=\"https://api.example.com\"";

async fn ok() -> &'static str {
    "ok"
}

/// The routes that between them reject for every reason.
fn routes(api: &Api) -> Guard {
    let source = || path("org");
    api.server
        .guard()
        .any("/resource", ok, resource().scope("read").scope("write"))
        .any("/organization/{org}", ok, organization(source()).scope("read"))
        .any("/within/{org}", ok, resource().in_organization(source()).any_of(["read", "write"]))
        .any("/hidden/{org}", ok, organization(source()).scope("read").hide_organization())
        .any("/machine", ok, resource().machine())
        .any("/claim", ok, resource().claim("plan", "pro"))
        .any("/check", ok, resource().check("teapot", |_| false))
        .any("/extractor", |_: Organization| async { "unreached" }, resource())
}

struct Row {
    name: &'static str,
    target: &'static str,
    authorization: Vec<String>,
    status: u16,
    /// What follows the realm in the challenge; `None` for no challenge at all.
    challenge: Option<&'static str>,
    body: Value,
    grpc: &'static str,
    kind: RejectionKind,
}

/// Section by section: every reason, and the whole answer to it.
fn rows(api: &Api) -> Vec<Row> {
    use RejectionKind as K;
    let bearer = |token: &str| vec![format!("Bearer {token}")];
    let issuer = &api.issuer;
    let unauthorized = |detail: &str, remediation: &str| json!({"title": "Unauthorized", "status": 401, "detail": detail, "error": "invalid_token", "remediation": remediation});
    let forbidden = |detail: &str, remediation: &str, required: &[&str], missing: &[&str]| {
        let mut body = json!({
            "title": "Forbidden", "status": 403, "detail": detail, "error": "insufficient_scope", "remediation": remediation,
            "required_scopes": required,
        });
        if !missing.is_empty() {
            body["missing_scopes"] = json!(missing);
        }
        body
    };
    let denied = json!({"title": "Forbidden", "status": 403, "detail": "The access token does not permit this request.", "remediation": "none"});
    let malformed = json!({
        "title": "Bad Request", "status": 400, "detail": "The request must carry exactly one well-formed Bearer token.",
        "error": "invalid_request", "remediation": "fix_request",
    });
    let missing_token = json!({
        "title": "Unauthorized", "status": 401, "detail": "This resource requires a Bearer access token.", "remediation": "authenticate",
    });
    let not_valid = || unauthorized("The access token is not valid for this API.", "authenticate");
    let invalid = "error=\"invalid_token\", error_description=\"The access token is not valid for this API.\", ";
    let not_readable = || {
        unauthorized(
            "The access token is opaque or encrypted. Request it with the resource parameter.",
            "resource_token",
        )
    };
    let opaque = "error=\"invalid_token\", error_description=\"The access token is opaque or encrypted. Request it with the resource parameter.\", ";
    let bad_request = "error=\"invalid_request\", error_description=\"The request must carry exactly one well-formed Bearer token.\", ";
    let row = |name, target, authorization, challenge, body: Value, kind| {
        let status = u16::try_from(body["status"].as_u64().unwrap()).unwrap();
        let grpc = match status {
            400 => "3",
            401 => "16",
            403 => "7",
            404 => "5",
            500 => "13",
            503 => "14",
            other => panic!("{other}"),
        };
        Row { name, target, authorization, status, challenge, body, grpc, kind }
    };
    let good = api.token("read write");
    let resource_token = || issuer.resource_token(RESOURCE);
    let mut rows = vec![
        row("no token", "/resource", vec![], Some(""), missing_token.clone(), K::MissingToken),
        row("another scheme", "/resource", vec!["Basic YTpi".into()], Some(""), missing_token, K::MissingToken),
        row(
            "two headers",
            "/resource",
            [bearer(&good), bearer(&good)].concat(),
            Some(bad_request),
            malformed.clone(),
            K::InvalidRequest,
        ),
        row("no b64token", "/resource", bearer("a b"), Some(bad_request), malformed, K::InvalidRequest),
        row(
            "expired",
            "/resource",
            bearer(&resource_token().expired().mint()),
            Some("error=\"invalid_token\", error_description=\"The access token has expired.\", "),
            unauthorized("The access token has expired.", "refresh"),
            K::ExpiredToken,
        ),
        row(
            "opaque",
            "/resource",
            bearer(&issuer.opaque_token()),
            Some(
                "error=\"invalid_token\", error_description=\"The access token is opaque or encrypted. Request it with the resource parameter.\", ",
            ),
            unauthorized(
                "The access token is opaque or encrypted. Request it with the resource parameter.",
                "resource_token",
            ),
            K::OpaqueToken,
        ),
        row(
            "resource token on an organization route",
            "/organization/acme",
            bearer(&good),
            Some(
                "error=\"insufficient_scope\", scope=\"read\", error_description=\"The access token was issued for another kind of resource.\", ",
            ),
            forbidden(
                "The access token was issued for another kind of resource.",
                "organization_token",
                &["read"],
                &[],
            ),
            K::WrongModel,
        ),
        row(
            "organization token on a resource route",
            "/resource",
            bearer(&api.organization_token("acme", "read write")),
            Some(
                "error=\"insufficient_scope\", scope=\"read write\", error_description=\"The access token was issued for another kind of resource.\", ",
            ),
            forbidden(
                "The access token was issued for another kind of resource.",
                "resource_token",
                &["read", "write"],
                &[],
            ),
            K::WrongModel,
        ),
        row(
            "wrong organization",
            "/organization/acme",
            bearer(&api.organization_token("other", "read")),
            Some(
                "error=\"insufficient_scope\", scope=\"read\", error_description=\"The access token is not for the organization that the request names.\", ",
            ),
            forbidden(
                "The access token is not for the organization that the request names.",
                "organization_token",
                &["read"],
                &[],
            ),
            K::WrongOrganization,
        ),
        row(
            "no organization",
            "/within/acme",
            bearer(&good),
            Some(
                "error=\"insufficient_scope\", scope=\"read write\", error_description=\"The access token is not for an organization.\", ",
            ),
            forbidden("The access token is not for an organization.", "organization_token", &["read", "write"], &[]),
            K::WrongOrganization,
        ),
        row(
            "one scope missing",
            "/resource",
            bearer(&api.token("write")),
            Some(
                "error=\"insufficient_scope\", scope=\"read write\", error_description=\"The access token lacks a required scope.\", ",
            ),
            forbidden("The access token lacks a required scope.", "request_scope", &["read", "write"], &["read"]),
            K::InsufficientScope,
        ),
        row(
            "none of several scopes",
            "/within/acme",
            bearer(&api.member_token("acme", "")),
            Some(
                "error=\"insufficient_scope\", scope=\"read write\", error_description=\"The access token lacks a required scope.\", ",
            ),
            forbidden(
                "The access token lacks a required scope.",
                "request_scope",
                &["read", "write"],
                &["read", "write"],
            ),
            K::InsufficientScope,
        ),
        row(
            "hidden",
            "/hidden/acme",
            bearer(&api.organization_token("other", "read")),
            None,
            json!({"title": "Not Found", "status": 404, "detail": "The resource was not found.", "remediation": "none"}),
            K::Hidden,
        ),
        row(
            "extractor without what it extracts",
            "/extractor",
            bearer(&good),
            None,
            json!({
                "title": "Internal Server Error", "status": 500, "detail": "The server is not configured correctly.",
                "remediation": "none",
            }),
            K::Misconfigured,
        ),
    ];
    for target in ["/machine", "/claim", "/check"] {
        rows.push(row("a condition", target, bearer(&good), Some(""), denied.clone(), K::Denied));
    }
    let foreign_issuer = resource_token().issuer("https://elsewhere.example");
    for (name, token) in [
        ("forged", resource_token().forged()),
        ("tampered", resource_token().tampered()),
        ("unsigned", resource_token().unsigned()),
        ("an ID token", issuer.id_token(RESOURCE)),
        ("a logout token", issuer.logout_token(RESOURCE)),
        ("another issuer", foreign_issuer),
        ("another API", issuer.resource_token("https://other.example")),
        ("from the future", resource_token().issued_at(Duration::from_secs(9_000_000_000))),
        ("no audience", resource_token().without_claim("aud")),
    ] {
        rows.push(row(name, "/resource", bearer(&token.mint()), Some(invalid), not_valid(), K::InvalidToken));
    }
    rows.push(row("a JWE", "/resource", bearer("a.b.c.d.e"), Some(opaque), not_readable(), K::OpaqueToken));
    for (name, token) in [("two parts", "a.b"), ("four parts", "a.b.c.d"), ("no JSON", "YQ.YQ.YQ")] {
        rows.push(row(name, "/resource", bearer(token), Some(invalid), not_valid(), K::InvalidToken));
    }
    for word in ["null", "[object Object]"] {
        rows.push(row("a word for nothing", "/resource", bearer(word), Some(invalid), not_valid(), K::InvalidToken));
    }
    let too_long = unauthorized("The access token is not valid for this API.", "none");
    rows.push(row("too long", "/resource", bearer(&"a".repeat(9000)), Some(invalid), too_long, K::InvalidToken));
    rows
}

fn with(target: &str, authorization: &[String], content_type: Option<&str>) -> http::Request<axum::body::Body> {
    let mut request = request("GET", target, None);
    if content_type.is_some_and(|content_type| content_type.starts_with("application/grpc")) {
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
    }
    for value in authorization {
        request.headers_mut().append("authorization", value.parse().unwrap());
    }
    if let Some(content_type) = content_type {
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
    }
    request
}

/// The challenge of a row. With 401 it names the scopes of the route, after the error.
fn challenge_of(row: &Row) -> Option<String> {
    let rest = row.challenge?;
    let scopes = match row.target.split('/').nth(1).unwrap() {
        "resource" | "within" => "read write",
        "organization" | "hidden" => "read",
        _ => "",
    };
    let scope = if scopes.is_empty() || row.status != 401 { String::new() } else { format!("scope=\"{scopes}\", ") };
    let (error, description) = rest.split_at(rest.find("error_description").unwrap_or(rest.len()));
    Some(format!("Bearer {error}{scope}{description}realm=\"{RESOURCE}\""))
}

fn is_refusal(answer: &Answer, row: &Row) {
    let name = row.name;
    assert_eq!(answer.status, row.status, "{name}");
    let expected = challenge_of(row);
    assert_eq!(answer.challenge(), expected.as_deref(), "{name}");
    assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), usize::from(expected.is_some()), "{name}");
    assert_eq!(answer.json(), row.body, "{name}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{name}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
    assert_eq!(answer.header("retry-after"), None, "{name}");
}

#[tokio::test]
async fn every_reason_has_its_answer() {
    let api = Api::start().await;
    let app = routes(&api).into_router().unwrap();
    let good = api.token("read write");
    assert_eq!(api.ask(&app, "GET", "/resource", Some(&good)).await.body, "ok");
    for row in rows(&api) {
        let answer = api.send(&app, with(row.target, &row.authorization, None)).await;
        is_refusal(&answer, &row);
        let rejection = answer.rejection.expect("the rejection is in the extensions");
        assert_eq!((rejection.kind(), rejection.status().as_u16()), (row.kind, row.status), "{}", row.name);
        assert_eq!(
            rejection.challenge_list().as_ref().map(HeaderValue::as_bytes),
            answer.headers.get("www-authenticate").map(HeaderValue::as_bytes)
        );
        assert_eq!(rejection.remediation().as_str(), row.body["remediation"], "{}", row.name);
        assert_eq!(rejection.to_string(), row.body["detail"], "{}", row.name);
        let words =
            |scopes: &[orgate::scope::Scope]| scopes.iter().map(|scope| scope.as_str().to_owned()).collect::<Vec<_>>();
        let list = |name: &str| row.body.get(name).cloned().unwrap_or(json!([]));
        assert_eq!(json!(words(rejection.required_scopes())), list("required_scopes"), "{}", row.name);
        assert_eq!(json!(words(rejection.missing_scopes())), list("missing_scopes"), "{}", row.name);
    }
}

#[tokio::test]
async fn the_same_over_a_socket() {
    let api = Api::start().await;
    let address = serve(routes(&api).into_router().unwrap()).await;
    let client = reqwest::Client::new();
    for row in rows(&api) {
        let mut request = client.get(format!("http://{address}{}", row.target));
        for value in &row.authorization {
            request = request.header("authorization", value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.unwrap();
        assert_eq!(headers["content-length"].to_str().unwrap(), body.len().to_string());
        is_refusal(&Answer { status, headers, body, rejection: None }, &row);
    }
}

#[tokio::test]
async fn the_same_for_grpc() {
    let api = Api::start().await;
    let app = routes(&api).into_router().unwrap();
    // What an extractor answers is axum's business: it does not see what the request was.
    for row in rows(&api).iter().filter(|row| row.target != "/extractor") {
        let answer = api.send(&app, with(row.target, &row.authorization, Some("application/grpc+proto"))).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{}", row.name);
        assert_eq!(answer.header("grpc-status"), Some(row.grpc), "{}", row.name);
        assert_eq!(answer.header("grpc-message"), row.body["detail"].as_str(), "{}", row.name);
        let expected = challenge_of(row);
        assert_eq!(answer.challenge(), expected.as_deref(), "{}", row.name);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", row.name);
    }
}

fn is_unavailable(answer: &Answer, seconds: std::ops::RangeInclusive<u64>) {
    assert_eq!((answer.status, answer.challenge()), (503, None), "{answer:?}");
    let retry_after: u64 = answer.header("retry-after").expect("a 503 says when to come back").parse().unwrap();
    assert!(seconds.contains(&retry_after), "{retry_after} is not in {seconds:?}");
    let body = json!({
        "title": "Service Unavailable", "status": 503, "detail": "The request cannot be authorized at the moment. Try again later.",
        "remediation": "retry",
    });
    assert_eq!(answer.json(), body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let rejection = answer.rejection.as_ref().unwrap();
    assert_eq!(rejection.kind(), RejectionKind::Unavailable);
    assert!(rejection.retry_after().unwrap() <= Duration::from_secs(retry_after));
}

#[tokio::test]
async fn what_cannot_be_decided_is_503() {
    let api = Api::start().await;
    let app = api.server.guard().any("/", ok, resource()).into_router().unwrap();
    let token = api.token("");
    api.issuer.take_down();
    is_unavailable(&api.ask(&app, "GET", "/", Some(&token)).await, 1..=2);
    api.issuer.bring_up();
    // During the back-off the issuer is not asked.
    is_unavailable(&api.ask(&app, "GET", "/", Some(&token)).await, 1..=2);
    assert_eq!(api.issuer.requests(Endpoint::All), 0);
    for (round, fault) in [Fault::Status(500), Fault::Garbage, Fault::NoKeys, Fault::Huge].into_iter().enumerate() {
        api.issuer.clock().advance(Duration::from_secs(40));
        api.issuer.fail_next(Endpoint::Keys, fault);
        // 2 s, 4 s, 8 s, 16 s, each give or take a tenth.
        let expected = 2_u64 << round;
        let range = expected - expected / 10..=expected + expected / 10 + 1;
        is_unavailable(&api.ask(&app, "GET", "/", Some(&token)).await, range);
    }
    // Without a token there is nothing to decide, whatever is down.
    assert_eq!(api.ask(&app, "GET", "/", None).await.status, 401);
    api.issuer.clock().advance(Duration::from_secs(40));
    assert_eq!(api.ask(&app, "GET", "/", Some(&token)).await.body, "ok");
    // A forced fetch that fails.
    api.issuer.fail_next(Endpoint::Keys, Fault::Reset);
    let unknown = api.issuer.resource_token(RESOURCE).signed_with_unknown_key().mint();
    is_unavailable(&api.ask(&app, "GET", "/", Some(&unknown)).await, 1..=2);
    assert_eq!(api.ask(&app, "GET", "/", Some(&token)).await.body, "ok");
    let grpc = with("/", &[format!("Bearer {unknown}")], Some("application/grpc"));
    let answer = api.send(&app, grpc).await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("14")));
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_key_that_is_not_there_is_told_from_one_that_could_not_be_looked_up() {
    let api = Api::start().await;
    let app = api.server.guard().get("/", ok, resource()).into_router().unwrap();
    let unknown = || api.issuer.resource_token(RESOURCE).signed_with_unknown_key().mint();
    assert_eq!(api.ask(&app, "GET", "/", Some(&api.token(""))).await.body, "ok");
    let old = unknown();
    api.issuer.clock().advance(Duration::from_secs(61));
    let fetches = api.issuer.requests(Endpoint::Keys);
    let not_there = api.ask(&app, "GET", "/", Some(&old)).await;
    assert_eq!(api.issuer.requests(Endpoint::Keys), fetches + 1);
    let expected = "Bearer error=\"invalid_token\", \
                    error_description=\"The access token was signed with a key that the issuer does not publish.\", realm=\"https://api.example.com\"";
    assert_eq!((not_there.status, not_there.challenge()), (401, Some(expected)));
    assert_eq!((&not_there.json()["remediation"], not_there.header("retry-after")), (&json!("refresh"), None));
    assert_eq!(not_there.rejection.unwrap().kind(), RejectionKind::KeyNotFound);
    // Five seconds must lie between two forced fetches, and the clock stands still.
    let unresolved = api.ask(&app, "GET", "/", Some(&unknown())).await;
    assert_eq!(api.issuer.requests(Endpoint::Keys), fetches + 1);
    let expected = "Bearer error=\"invalid_token\", \
                    error_description=\"The signing key of the access token is not known yet. Try again.\", realm=\"https://api.example.com\"";
    assert_eq!((unresolved.status, unresolved.challenge()), (401, Some(expected)));
    assert_eq!(unresolved.json()["remediation"], "retry");
    assert_eq!(unresolved.header("retry-after"), Some("5"));
    assert_eq!(unresolved.rejection.unwrap().kind(), RejectionKind::KeyUnresolved);
    // Another token of now would be signed with the same key.
    api.issuer.clock().advance(Duration::from_secs(5));
    let new = api.ask(&app, "GET", "/", Some(&unknown())).await;
    assert_eq!((new.status, new.header("retry-after")), (401, Some("30")));
    assert_eq!(new.json()["remediation"], "retry");
    let rejection = new.rejection.unwrap();
    assert_eq!(rejection.kind(), RejectionKind::KeyNotFound);
    assert!(format!("{rejection:?}").contains("signs with a key that it does not publish there"), "{rejection:?}");
    // The budget of three is spent: one more fetch every 30 s.
    api.issuer.clock().advance(Duration::from_secs(5));
    api.ask(&app, "GET", "/", Some(&unknown())).await;
    api.issuer.clock().advance(Duration::from_secs(5));
    let spent = api.ask(&app, "GET", "/", Some(&unknown())).await;
    assert_eq!((spent.json()["remediation"].as_str(), spent.header("retry-after")), (Some("retry"), Some("15")));
}

#[tokio::test]
async fn realm_and_metadata_are_settings() {
    let api = Api::configured(|builder| {
        builder.realm("orders").resource_metadata("https://api.example.com/.well-known/oauth-protected-resource")
    })
    .await;
    let app = api.server.guard().get("/", ok, resource().scope("read")).into_router().unwrap();
    let tail = "resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource\"";
    assert_eq!(
        api.ask(&app, "GET", "/", None).await.challenge(),
        Some(&*format!("Bearer scope=\"read\", {tail}, realm=\"orders\""))
    );
    let lacking = format!(
        "Bearer error=\"insufficient_scope\", scope=\"read\", {tail}, error_description=\"The access token lacks a required scope.\", realm=\"orders\""
    );
    assert_eq!(api.ask(&app, "GET", "/", Some(&api.token(""))).await.challenge(), Some(&*lacking));
}

#[derive(Debug)]
struct Quota(u32);

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "quota of {} used up", self.0)
    }
}

impl Error for Quota {}

#[tokio::test]
async fn a_hook_shapes_the_body_and_nothing_else() {
    let api = Api::configured(|builder| {
        builder.rejection_body(|rejection, headers| {
            let quota = rejection.source().and_then(|source| source.downcast_ref::<Quota>());
            let body = json!({
                "kind": format!("{:?}", rejection.kind()),
                "status": rejection.status().as_u16(),
                "challenge": rejection.challenges().first().map(|value| value.to_str().unwrap()),
                "missing": rejection.missing_scopes().iter().map(orgate::scope::Scope::as_str).collect::<Vec<_>>(),
                "quota": quota.map(|quota| quota.0),
                "language": headers.get("accept-language").map(|value| value.to_str().unwrap()),
            });
            match headers.get("x-form").map(HeaderValue::as_bytes) {
                Some(b"empty") => RejectionBody::empty(),
                Some(b"html") => RejectionBody::new(HeaderValue::from_static("text/html"), "<p>no</p>"),
                Some(b"problem") => RejectionBody::problem(rejection),
                _ => RejectionBody::json(&body),
            }
        })
    })
    .await;
    let app = api
        .server
        .guard()
        .any("/scope", ok, resource().scope("read"))
        .get("/quota", ok, resource().check("quota", |_| Err::<(), _>(Quota(7))))
        .get("/hidden", ok, organization(any_organization()).hide_organization())
        .into_router()
        .unwrap();
    let challenge = format!(
        "Bearer error=\"insufficient_scope\", scope=\"read\", error_description=\"The access token lacks a required scope.\", realm=\"{RESOURCE}\""
    );
    let ask = async |target: &str, form: Option<&'static str>| {
        let mut request = request("GET", target, Some(&api.token("")));
        request.headers_mut().insert("accept-language", "de".parse().unwrap());
        form.map(|form| request.headers_mut().insert("x-form", HeaderValue::from_static(form)));
        api.send(&app, request).await
    };
    let answer = ask("/scope", None).await;
    let expected = json!({
        "kind": "InsufficientScope", "status": 403, "challenge": challenge, "missing": ["read"], "quota": null, "language": "de",
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    for (form, content_type, body) in [("empty", "text/plain", ""), ("html", "text/html", "<p>no</p>")] {
        let answer = ask("/scope", Some(form)).await;
        assert_eq!((answer.header("content-type"), answer.body.as_str()), (Some(content_type), body));
        assert_eq!((answer.status, answer.challenge()), (403, Some(challenge.as_str())), "{form}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{form}");
    }
    let problem = ask("/scope", Some("problem")).await;
    assert_eq!(
        (problem.header("content-type"), &problem.json()["remediation"]),
        (Some("application/problem+json"), &json!("request_scope"))
    );
    let quota = ask("/quota", None).await;
    assert_eq!((quota.status, &quota.json()["quota"], quota.challenge()), (403, &json!(7), Some(REALM)));
    let rejection = quota.rejection.unwrap();
    assert_eq!(rejection.source().unwrap().to_string(), "quota of 7 used up");
    let hidden = ask("/hidden", None).await;
    assert_eq!(
        (hidden.status, &hidden.json()["kind"], &hidden.json()["challenge"]),
        (404, &json!("Hidden"), &json!(null))
    );
    // A gRPC answer has no body to shape.
    assert_eq!(api.send(&app, with("/scope", &[], Some("application/grpc"))).await.body, "");
}

#[derive(Deserialize)]
struct Plan {
    plan: String,
}

async fn take_token(_: AccessToken) {}
async fn take_organization(_: Organization) {}
async fn take_plan(Claims(claims): Claims<Plan>) -> String {
    claims.plan
}
async fn maybe_token(token: Option<AccessToken>) -> String {
    format!("{:?}", token.map(|token| token.subject().to_string()))
}
async fn maybe_organization(organization: Option<Organization>) -> String {
    format!("{:?}", organization.map(|organization| organization.id().to_owned()))
}
async fn maybe_plan(claims: Option<Claims<Plan>>) -> String {
    format!("{:?}", claims.map(|claims| claims.0.plan))
}

#[tokio::test]
async fn an_extractor_without_a_layer_says_what_to_do_in_the_log() {
    let api = Api::start().await;
    let app = Router::new()
        .route("/token", get(take_token))
        .route("/organization", get(take_organization))
        .route("/claims", get(take_plan))
        .route("/maybe", get(maybe_token));
    for (target, extractor) in [("/token", "AccessToken"), ("/organization", "Organization"), ("/claims", "Claims")] {
        let log = Log::start();
        let answer = api.ask(&app, "GET", target, Some(&api.token(""))).await;
        assert_eq!((answer.status, answer.challenge(), answer.header("cache-control")), (500, None, Some("no-store")));
        assert_eq!(answer.json()["detail"], "The server is not configured correctly.");
        assert!(!answer.body.contains(extractor), "{answer:?}");
        let [event] = &log.refusals()[..] else { panic!("one event") };
        assert_eq!((event.level, event.get("policy")), (tracing::Level::WARN, Some("none")));
        for part in [extractor, "Guard", "require(policy)"] {
            assert!(event.get("detail").unwrap().contains(part), "{event:?} should say {part}");
        }
    }
    assert_eq!(api.ask(&app, "GET", "/maybe", Some(&api.token(""))).await.body, "None");
}

#[tokio::test]
async fn extractors_behind_policies() {
    let api = Api::start().await;
    let open = |guard: Guard| guard.public("/open", get(maybe_token)).public("/open/claims", get(maybe_plan));
    let app = open(api.server.guard())
        .get("/optional", maybe_token, optional(resource().scope("read")))
        .get("/optional/claims", maybe_plan, optional(resource()))
        .get("/either", take_organization, resource().or(organization(any_organization())))
        .get("/either/maybe", maybe_organization, resource().or(organization(any_organization())))
        .get("/any", take_organization, authenticated())
        .get("/claims", take_plan, resource())
        .into_router()
        .unwrap();
    let (read, plain) = (api.token("read"), api.token(""));
    let organization = api.organization_token("acme", "");
    let plan = api.issuer.resource_token(RESOURCE).claim("plan", "pro").mint();
    let odd = api.issuer.resource_token(RESOURCE).claim("plan", 1).mint();
    for (target, token, status, body) in [
        ("/open", None, 200, "None"),
        ("/open", Some(&read), 200, "None"),
        ("/open", Some(&"bad.bad.bad".to_owned()), 200, "None"),
        ("/open/claims", Some(&plan), 200, "None"),
        ("/optional", None, 200, "None"),
        ("/optional", Some(&read), 200, "Some(\"user_1\")"),
        ("/optional", Some(&plain), 403, ""),
        ("/optional", Some(&organization), 403, ""),
        ("/optional", Some(&"bad.bad.bad".to_owned()), 401, ""),
        ("/optional", Some(&"a b".to_owned()), 400, ""),
        ("/optional/claims", None, 200, "None"),
        ("/optional/claims", Some(&plan), 200, "Some(\"pro\")"),
        ("/optional/claims", Some(&odd), 500, ""),
        ("/either", Some(&organization), 200, ""),
        ("/either", Some(&plain), 500, ""),
        ("/either/maybe", Some(&organization), 200, "Some(\"acme\")"),
        ("/either/maybe", Some(&plain), 200, "None"),
        ("/any", Some(&organization), 500, ""),
        ("/claims", Some(&plan), 200, "pro"),
        ("/claims", Some(&odd), 500, ""),
        ("/claims", Some(&plain), 500, ""),
    ] {
        let answer = api.ask(&app, "GET", target, token.map(String::as_str)).await;
        assert_eq!(answer.status, status, "{target} {answer:?}");
        assert!(status != 200 || answer.body == body, "{target} {answer:?}");
        let kind = answer.rejection.map(|rejection| (rejection.kind(), rejection.remediation()));
        assert_eq!(kind == Some((RejectionKind::Misconfigured, Remediation::None)), status == 500, "{target}");
    }
    // Two headers are malformed on an optional route as well.
    let twice = with("/optional", &[format!("Bearer {read}"), format!("Bearer {read}")], None);
    assert_eq!(api.send(&app, twice).await.status, 400);
    let log = Log::start();
    api.ask(&app, "GET", "/either", Some(&plain)).await;
    api.ask(&app, "GET", "/claims", Some(&odd)).await;
    let [organization, claims] = &log.refusals()[..] else { panic!("two events") };
    assert!(organization.get("detail").unwrap().contains("Option<Organization>"), "{organization:?}");
    for part in ["Plan", "the claim \"plan\" does not fit"] {
        assert!(claims.get("detail").unwrap().contains(part), "{claims:?} should say {part}");
    }
}

#[tokio::test]
async fn half_of_a_surrogate_pair_in_a_claim_is_the_fault_of_the_token() {
    let api = Api::start().await;
    let app = api.server.guard().get("/claims", take_plan, resource()).get("/", ok, resource()).into_router().unwrap();
    let claims = api.issuer.resource_token(RESOURCE).claim("plan", "Ann PLAN");
    let payload =
        claims.mint().split('.').nth(1).map(|payload| BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let payload = String::from_utf8(payload).unwrap().replace("PLAN", r"\ud83d");
    let token = claims.raw_payload(payload).mint();
    let answer = api.ask(&app, "GET", "/claims", Some(&token)).await;
    assert_eq!((answer.status, answer.json()["remediation"].as_str()), (401, Some("authenticate")), "{answer:?}");
    assert_eq!(answer.rejection.unwrap().kind(), RejectionKind::InvalidToken);
    assert_eq!(api.ask(&app, "GET", "/", Some(&token)).await.status, 200, "who does not read the claim does not mind");
}

/// One event, as a subscriber sees it.
#[derive(Clone, Debug)]
struct Event {
    target: String,
    level: tracing::Level,
    fields: Vec<(String, String)>,
}

impl Event {
    fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Visit for Event {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name().to_owned(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.push((field.name().to_owned(), format!("{value:?}")));
    }
}

thread_local! {
    /// Each test has a thread and a runtime of its own: what happens on it is the test's.
    static EVENTS: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
}

/// Keeps every event of every level, of whatever crate.
struct Log;

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut kept = Event { target: metadata.target().to_owned(), level: *metadata.level(), fields: Vec::new() };
        event.record(&mut kept);
        EVENTS.with_borrow_mut(|events| events.push(kept));
    }
}

impl Log {
    /// From here on, on this thread.
    fn start() -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Self)).unwrap();
        });
        EVENTS.with_borrow_mut(Vec::clear);
        Self
    }

    #[allow(clippy::unused_self, reason = "only a log that was started has events")]
    fn ours(&self) -> Vec<Event> {
        EVENTS.with_borrow(|events| events.iter().filter(|event| event.target == "orgate").cloned().collect())
    }

    fn refusals(&self) -> Vec<Event> {
        self.ours().into_iter().filter(|event| event.get("message") == Some("request rejected")).collect()
    }
}

#[tokio::test]
async fn the_log_shows_what_came_beside_what_is_expected() {
    let log = Log::start();
    let api = Api::start().await;
    let app = api.server.guard().get("/", ok, resource()).into_router().unwrap();
    let token = || api.issuer.resource_token(RESOURCE);
    let issuer = api.issuer.url();
    let slash = format!("{issuer}/");
    let long = "a".repeat(100);
    for (authorization, expected) in [
        (String::new(), vec!["is empty"]),
        ("Basic dXNlcjpwYXNz".to_owned(), vec!["the scheme Basic", "expected Bearer"]),
        (token().mint(), vec!["a JWT without a scheme"]),
        (format!("Bearer {}", token().issuer(&*slash).mint()), vec![&*slash, issuer, "only by a trailing slash"]),
        (format!("Bearer {}", token().issuer("x\n\"y").mint()), vec!["is \"x\\n\\\"y\"", "expected one of"]),
        (format!("Bearer {}", token().issuer(&*long).mint()), vec![&long[..64], "\"..., expected one of"]),
        (format!("Bearer {}", token().without_claim("iss").mint()), vec!["iss is missing", issuer]),
        (
            format!("Bearer {}", token().audience(["https://api.example.com/"]).mint()),
            vec!["aud is [\"https://api.example.com/\"]", RESOURCE, "only by a trailing slash"],
        ),
        (
            format!("Bearer {}", token().audience(["a", "b"]).mint()),
            vec!["aud is [\"a\", \"b\"]", "or an organization"],
        ),
        (format!("Bearer {}", token().without_claim("aud").mint()), vec!["aud is missing", RESOURCE]),
        (format!("Bearer {}", token().header("typ", "JWT").mint()), vec!["typ is \"JWT\"", "expected at+jwt"]),
        (format!("Bearer {}", token().without_header("typ").mint()), vec!["typ is missing", "expected at+jwt"]),
        (format!("Bearer {}", token().header("alg", "HS256").mint()), vec!["alg \"HS256\""]),
        ("Bearer a.b.c.d.e".to_owned(), vec!["encrypted"]),
        ("Bearer undefined".to_owned(), vec!["the word \"undefined\""]),
        (format!("Bearer {}", "a".repeat(9000)), vec!["9001 bytes", "max_token_bytes"]),
    ] {
        Log::start();
        let answer = api.send(&app, with("/", std::slice::from_ref(&authorization), None)).await;
        assert_eq!(answer.status, 401, "{expected:?}");
        let [event] = &log.refusals()[..] else { panic!("one event for {expected:?}") };
        for part in expected {
            assert!(event.get("detail").unwrap().contains(part), "{event:?} should say {part}");
        }
        assert!(
            authorization.is_empty()
                || !format!("{event:?}").contains(authorization.split(' ').next_back().unwrap())
                || authorization.ends_with("undefined")
        );
        assert!(!format!("{event:?}").contains(&long));
    }
}

/// Also where no policy decided.
#[tokio::test]
async fn each_line_about_a_rejected_request_has_kind_method_and_route() {
    let log = Log::start();
    let api = Api::start().await;
    let hooks = api.server.issuers()[0].webhooks(SigningKeys::new(["key"]).unwrap());
    let guard: Guard = api
        .server
        .guard()
        .get("/organization/{id}", async |_: Organization| "unreached", resource())
        .get("/authorizer/{id}", async |_: Authorizer| "unreached", resource())
        .get("/shadow/{id}", async |_: AccessToken| "unreached", resource().scope("x").dangerous_shadow_only())
        .public("/public/{id}", get(async |_: AccessToken| "unreached"))
        .public("/public/authorizer/{id}", get(async |_: Authorizer| "unreached"))
        .public("/socket/{id}", get(async |_: Unauthenticated| "unreached"))
        .public("/hook/{id}", hooks.endpoint());
    let app = guard.into_router().unwrap().route("/bare/{id}", get(async |_: Claims<Value>| "unreached"));
    for (method, route, kind, policy) in [
        ("GET", "/organization/{id}", "misconfigured", Some("resource")),
        ("GET", "/authorizer/{id}", "misconfigured", Some("resource")),
        ("GET", "/shadow/{id}", "misconfigured", Some("SHADOW ONLY resource and scope x")),
        ("GET", "/public/{id}", "misconfigured", Some("none")),
        ("GET", "/public/authorizer/{id}", "misconfigured", Some("none")),
        ("GET", "/socket/{id}", "misconfigured", Some("none")),
        ("GET", "/bare/{id}", "misconfigured", Some("none")),
        ("POST", "/hook/{id}", "webhook_signature", None),
    ] {
        Log::start();
        let target = route.replace("{id}", "7");
        api.send(&app, request(method, &target, Some(&api.token("")))).await;
        let lines = log.ours().into_iter();
        let lines: Vec<_> = lines.filter(|line| line.get("message").unwrap().ends_with(" rejected")).collect();
        let [line] = &lines[..] else { panic!("one line for {route}, not {lines:?}") };
        let found = ["kind", "method", "route", "policy"].map(|name| line.get(name));
        assert_eq!(found, [Some(kind), Some(method), Some(route), policy], "{line:?}");
        assert_eq!(line.level, tracing::Level::WARN, "{line:?}");
    }
}

#[tokio::test]
async fn error_of_a_check_is_in_the_log_and_not_in_the_response() {
    let log = Log::start();
    let api = Api::start().await;
    let policy = resource().check("quota", |_| Err::<(), _>(Quota(7)));
    let app = api.server.guard().get("/quota", ok, policy).into_router().unwrap();
    let answer = api.send(&app, request("GET", "/quota", Some(&api.token("")))).await;
    assert!(answer.status == 403 && !answer.body.contains("used up"), "{}", answer.body);
    let [event] = &log.refusals()[..] else { panic!("one event") };
    assert_eq!(event.get("source"), Some("quota of 7 used up"));
}

#[tokio::test]
async fn the_log_says_why() {
    let log = Log::start();
    let api = Api::start().await;
    let app = routes(&api).into_router().unwrap();
    for row in rows(&api) {
        Log::start();
        api.send(&app, with(row.target, &row.authorization, None)).await;
        let [event] = &log.refusals()[..] else { panic!("one event for {}", row.name) };
        let level = if row.status >= 500 { tracing::Level::WARN } else { tracing::Level::DEBUG };
        assert_eq!((event.level, event.get("kind")), (level, Some(row.kind.as_str())), "{}", row.name);
        assert!(event.get("detail").is_some_and(|detail| !detail.is_empty()), "{}", row.name);
        let policy = event.get("policy").unwrap();
        assert!(policy == "none" || routes(&api).to_string().contains(policy), "{policy}");
        assert_eq!(event.get("user_1").or(event.get("subject")), None, "{}", row.name);
        for event in log.ours() {
            for secret in
                row.authorization.iter().flat_map(|value| value.split(['.', ' '])).filter(|part| part.len() > 8)
            {
                assert!(!format!("{event:?}").contains(secret), "{}: {event:?}", row.name);
            }
            assert!(!format!("{event:?}").contains("user_1"), "{}: {event:?}", row.name);
        }
    }
}

#[tokio::test]
async fn the_log_names_issuer_and_key() {
    let log = Log::start();
    let api = Api::start().await;
    let app = api.server.guard().get("/", ok, resource()).into_router().unwrap();
    let kid = api.issuer.signing_kid();
    for token in [api.issuer.resource_token(RESOURCE).expired(), api.issuer.resource_token(RESOURCE).forged()] {
        Log::start();
        api.ask(&app, "GET", "/", Some(&token.mint())).await;
        let [event] = &log.refusals()[..] else { panic!("one event") };
        assert_eq!(event.get("issuer"), Some(api.issuer.url()));
        assert_eq!(event.get("kid"), Some(&*format!("{kid:?}")));
        assert_eq!(event.get("policy"), Some("resource"));
    }
    // A kid is the sender's to choose: it is cut, and cannot break a line.
    Log::start();
    let long = api.issuer.resource_token(RESOURCE).header("kid", format!("\n\u{1b}[31m{}", "k".repeat(500))).mint();
    api.ask(&app, "GET", "/", Some(&long)).await;
    let [event] = &log.refusals()[..] else { panic!("one event") };
    let kid = event.get("kid").unwrap();
    assert!(kid.len() < 100 && !kid.contains(['\n', '\u{1b}']), "{kid:?}");
    // What went wrong with an issuer is in the log, and only there.
    Log::start();
    api.issuer.take_down();
    api.issuer.clock().advance(Duration::from_secs(48 * 60 * 60));
    let answer = api.ask(&app, "GET", "/", Some(&api.token(""))).await;
    assert_eq!(answer.status, 503);
    assert!(log.ours().iter().any(|event| event.level == tracing::Level::WARN
        && event.get("reason").is_some_and(|reason| !reason.is_empty())
        && event.get("issuer") == Some(api.issuer.url())));
}

/// A rejection may be printed by anybody: it must not carry the token, nor what only the log may know of the sender.
#[tokio::test]
async fn a_printed_rejection_holds_no_token() {
    let api = Api::start().await;
    let app = routes(&api).into_router().unwrap();
    for row in rows(&api) {
        let answer = api.send(&app, with(row.target, &row.authorization, None)).await;
        let rejection = answer.rejection.unwrap();
        let printed = format!("{rejection} {rejection:?}");
        for secret in row.authorization.iter().flat_map(|value| value.split(['.', ' '])).filter(|part| part.len() > 8) {
            assert!(!printed.contains(secret), "{}: {printed}", row.name);
        }
    }
}

/// A word that stands wherever a caller can write: in the path, the query, a header, the scheme, the token and its claims.
#[tokio::test]
async fn nothing_of_a_rejected_request_is_echoed_in_its_response() {
    const CANARY: &str = "canary-0f7c";
    let api = Api::start().await;
    let app = routes(&api).into_router().unwrap();
    let token = api.issuer.resource_token(RESOURCE).scope(CANARY);
    let token = token.subject(CANARY).claim("plan", CANARY).claim("organization_id", CANARY).mint();
    let credentials = [
        None,
        Some(format!("Bearer {CANARY}")),
        Some(format!("Bearer {CANARY}.{CANARY}.{CANARY}")),
        Some(format!("{CANARY} {CANARY}")),
        Some(format!("Bearer {token}")),
    ];
    let mut statuses = std::collections::BTreeSet::new();
    for route in ["resource", "organization", "within", "hidden", "machine", "claim", "check"] {
        let id =
            if matches!(route, "organization" | "within" | "hidden") { format!("/{CANARY}") } else { String::new() };
        for credentials in &credentials {
            let mut request = request("POST", &format!("/{route}{id}?{CANARY}={CANARY}"), None);
            request.headers_mut().insert(HeaderName::from_static("x-canary"), HeaderValue::from_static(CANARY));
            request.headers_mut().insert("content-type", HeaderValue::from_static("application/canary-0f7c"));
            if let Some(credentials) = credentials {
                request.headers_mut().insert("authorization", HeaderValue::from_str(credentials).unwrap());
            }
            let response = app.clone().oneshot(request).await.unwrap();
            statuses.insert(response.status().as_u16());
            let headers = format!("{:?}", response.headers());
            let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            assert!(!headers.contains("canary"), "{route} {credentials:?}: {headers}");
            let body = String::from_utf8_lossy(&body);
            assert!(!body.contains("canary"), "{route} {credentials:?}: {body}");
        }
    }
    assert!([401, 403, 404].iter().all(|status| statuses.contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn debug_form_of_facts_shows_no_header() {
    let seen = Arc::new(Mutex::new(String::new()));
    let api = Api::start().await;
    let into = seen.clone();
    let check = move |facts: &Facts<'_>| {
        *into.lock().unwrap() = format!("{facts:?}");
        true
    };
    let app = api.server.guard().get("/", ok, resource().check("look", check)).into_router().unwrap();
    let token = api.token("read");
    let mut request = request("GET", "/", Some(&token));
    request.headers_mut().insert("x-secret", HeaderValue::from_static("hush"));
    assert_eq!(app.oneshot(request).await.unwrap().status(), 200);
    let seen = seen.lock().unwrap();
    assert!(seen.starts_with("Facts {") && !seen.contains("hush") && !seen.contains(&token), "{seen}");
}
