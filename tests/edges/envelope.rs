//! Whoever rejects a request, the response has one form: that of the API.

use axum::Router;
use axum::body::Body;
use axum::extract::Request as AxumRequest;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use http::{HeaderMap, Request, StatusCode, Version};
use orgate::axum::Authorizer;
use orgate::decision::{Decider, Decision, DecisionError, DecisionFuture, DecisionPoint, DecisionRequest, Resource};
use orgate::lease::Lease;
use orgate::logto::webhooks::{SigningKeys, Webhooks};
use orgate::policy::resource;
use orgate::respond::RejectionBody;
use orgate::server::Builder;
use orgate::testing::TestIssuer;
use orgate::websocket::{FirstMessage, Unauthenticated};
use orgate::{AccessToken, Claims, Guard, Issuer, Organization, Rejection, ResourceServer};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::API;

const PAGE: &str = "https://app.example.com";

/// Denies, and is down for who wants to be undecided.
struct Point;

impl DecisionPoint for Point {
    fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a> {
        let is_down = request.action() == "undecided";
        Box::pin(std::future::ready(if is_down {
            Err(DecisionError::unavailable("down"))
        } else {
            Ok(Decision::deny())
        }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Plain,
    Shaped,
    Grpc,
}

fn build(issuer: &TestIssuer, form: Form, change: impl FnOnce(Builder) -> Builder) -> ResourceServer {
    let entry = Issuer::new(issuer.url()).name("main").jwks_json(issuer.jwks_json());
    let builder = change(ResourceServer::builder(entry, API).clock(issuer.clock()));
    let shape = |rejection: &Rejection, headers: &HeaderMap| {
        let id = headers.get("x-request-id").map(|id| id.to_str().unwrap().to_owned());
        RejectionBody::json(&json!({ "code": rejection.kind().as_str(), "id": id }))
    };
    if form == Form::Shaped { builder.rejection_body(shape) } else { builder }.build().unwrap()
}

async fn passes(_: AccessToken) -> &'static str {
    "unreached"
}

async fn asks(decide: Authorizer, action: &str) -> Result<&'static str, Rejection> {
    decide.check(action, Resource::new("document", "1")).await?;
    Ok("unreached")
}

/// Everything that rejects, each at a path of its own.
fn routes(server: &ResourceServer, without_point: &ResourceServer) -> Router {
    let hooks = server.issuer("main").unwrap().webhooks(SigningKeys::new(["key"]).unwrap());
    let (own, other) = (server.clone(), server.clone());
    let verified = async move || own.verify("a.b.c").await.map(drop);
    let responded = async move |request: AxumRequest| -> Response {
        let rejection = other.verify("a.b.c").await.unwrap_err();
        other.response(rejection, &request.into_parts().0).map(Body::from)
    };
    let shadow = || resource().scope("never").dangerous_shadow_only();
    let guard: Guard = server
        .guard()
        .post("/policy", passes, resource())
        .post("/claims", async |_: Claims<Vec<u8>>| "unreached", resource())
        .post("/organization", async |_: Organization| "unreached", resource())
        .post("/lease", async |_: Lease| "unreached", resource())
        .post("/shadow", passes, shadow())
        .post("/denied", async |decide: Authorizer| asks(decide, "denied").await, resource())
        .post("/undecided", async |decide: Authorizer| asks(decide, "undecided").await, resource())
        .post("/socket", async |_: Unauthenticated| "unreached", resource())
        .public("/public", post(passes))
        .public_on("/on", axum::routing::MethodFilter::POST, passes)
        .public_router("/router", Router::new().route("/inner", post(passes)).fallback(any(passes)))
        .public_fallback(passes)
        .public("/public/authorizer", post(async |_: Authorizer| "unreached"))
        .public("/public/socket", post(async |_: Unauthenticated| "unreached"))
        .public("/public/claims", post(async |_: Claims<Value>| "unreached"))
        .public("/public/lease", post(async |_: Lease| "unreached"))
        .public("/verified", post(verified))
        .public("/responded", post(responded))
        .public("/hook", hooks.endpoint())
        .public("/hook/nobody", Webhooks::resolve(|_| None).endpoint())
        .merge(without_point.guard().post("/no-point", async |_: Authorizer| "unreached", resource()));
    guard.into_router().unwrap()
}

/// Path, whether a token is sent, status, kind and gRPC's code.
const ORIGINS: [(&str, bool, u16, &str, &str); 22] = [
    ("/policy", false, 401, "missing_token", "16"),
    ("/claims", true, 500, "misconfigured", "13"),
    ("/organization", true, 500, "misconfigured", "13"),
    ("/lease", true, 503, "unavailable", "14"),
    ("/shadow", false, 500, "misconfigured", "13"),
    ("/denied", true, 403, "denied", "7"),
    ("/undecided", true, 503, "unavailable", "14"),
    ("/socket", true, 500, "misconfigured", "13"),
    ("/no-point", true, 500, "misconfigured", "13"),
    ("/public", true, 500, "misconfigured", "13"),
    ("/on", true, 500, "misconfigured", "13"),
    ("/router/inner", true, 500, "misconfigured", "13"),
    ("/router/unknown", true, 500, "misconfigured", "13"),
    ("/unknown", true, 500, "misconfigured", "13"),
    ("/public/authorizer", true, 500, "misconfigured", "13"),
    ("/public/socket", true, 500, "misconfigured", "13"),
    ("/public/claims", true, 500, "misconfigured", "13"),
    ("/public/lease", true, 500, "misconfigured", "13"),
    ("/verified", true, 401, "invalid_token", "16"),
    ("/responded", true, 401, "invalid_token", "16"),
    ("/hook", true, 401, "webhook_signature", "16"),
    ("/hook/nobody", true, 404, "webhook_recipient", "5"),
];

async fn judge(response: Response, form: Form, (origin, status, kind, grpc): (&str, u16, &str, &str), id: Value) {
    let shown = format!("{origin} {form:?}");
    let rejection = response.extensions().get::<Rejection>().unwrap_or_else(|| panic!("{shown}: not rejected")).clone();
    let (found, headers) = (response.status().as_u16(), response.headers().clone());
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    assert_eq!((rejection.kind().as_str(), &headers["cache-control"]), (kind, &"no-store".parse().unwrap()), "{shown}");
    let has_challenge = matches!(status, 401 | 403) && !kind.starts_with("webhook");
    let challenge = headers.get("www-authenticate").map(|value| value.to_str().unwrap());
    assert_eq!(challenge.is_some(), has_challenge, "{shown}: {challenge:?}");
    assert!(challenge.is_none_or(|challenge| challenge.contains("realm=\"https://api.example.com\"")), "{challenge:?}");
    if form == Form::Grpc {
        assert_eq!((found, headers["grpc-status"].to_str().unwrap(), body.len()), (200, grpc, 0), "{shown}");
        return;
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let content_type = headers["content-type"].to_str().unwrap();
    if form == Form::Shaped {
        let expected = (status, "application/json", json!({ "code": kind, "id": id }));
        assert_eq!((found, content_type, body), expected, "{shown}");
    } else {
        let expected = (status, "application/problem+json", &json!(status));
        assert_eq!((found, content_type, &body["status"]), expected, "{shown}");
    }
}

#[tokio::test]
async fn every_rejection_has_the_form_of_the_api() {
    let issuer = TestIssuer::start().await;
    for form in [Form::Plain, Form::Shaped, Form::Grpc] {
        let decider = Decider::builder(Point).build().unwrap();
        let server = build(&issuer, form, |builder| builder.decision_point(decider));
        let app = routes(&server, &build(&issuer, form, |builder| builder));
        // No lease from here on; everything else is judged as before.
        server.close();
        for (path, sends_token, status, kind, grpc) in ORIGINS {
            let mut request = Request::post(path).header("x-request-id", "r-1");
            if sends_token {
                let token = issuer.resource_token(API).mint();
                request = request.header("authorization", format!("Bearer {token}"));
            }
            if form == Form::Grpc {
                request = request.version(Version::HTTP_2).header("content-type", "application/grpc");
            }
            let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            // A token alone tells neither how its request was sent nor what else was in it.
            let (form, id) = match (path, form) {
                ("/verified", Form::Grpc) => (Form::Plain, Value::Null),
                ("/verified", form) => (form, Value::Null),
                (_, form) => (form, json!("r-1")),
            };
            judge(response, form, (path, status, kind, grpc), id).await;
        }
    }
}

/// gRPC has no handshakes of WebSockets.
#[tokio::test]
async fn what_follows_a_handshake_has_the_form_of_the_api_too() {
    let issuer = TestIssuer::start().await;
    for form in [Form::Plain, Form::Shaped] {
        let server = build(&issuer, form, |builder| builder);
        let twice = async |caller: Unauthenticated| {
            let first = caller.clone().authorize(std::future::ready(None::<String>)).await;
            assert_eq!(first.unwrap_err().status(), StatusCode::UNAUTHORIZED);
            caller.authorize(std::future::ready(None::<String>)).await.map(|_| ()).into_response()
        };
        let settings = FirstMessage::new([PAGE]);
        let guard: Guard = server.guard().first_message("/twice", twice, resource(), &settings).first_message(
            "/early",
            passes,
            resource(),
            &settings,
        );
        let app = guard.into_router().unwrap();
        for path in ["/twice", "/early"] {
            let request = Request::get(path).header("x-request-id", "r-1").header("origin", PAGE);
            let request = request.header("connection", "upgrade").header("upgrade", "websocket");
            let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            judge(response, form, (path, 500, "misconfigured", ""), json!("r-1")).await;
        }
    }
}

/// The rejection of a token alone takes the form of the request that is rejected by it.
#[tokio::test]
async fn rejection_of_a_request_keeps_its_form() {
    let issuer = TestIssuer::start().await;
    let server = build(&issuer, Form::Shaped, |builder| builder);
    let requirement = server.requirement(resource()).unwrap();
    let request = |id: &str| Request::get("/").header("x-request-id", id).body(()).unwrap().into_parts().0;
    let id = |response: http::Response<bytes::Bytes>| {
        serde_json::from_slice::<Value>(response.body()).unwrap()["id"].clone()
    };
    let apart = server.verify("a.b.c").await.unwrap_err();
    assert_eq!(apart.challenges().len(), 1);
    assert_eq!(id(server.response(apart.clone(), &request("r-1"))), "r-1");
    assert_eq!(id(requirement.response(apart, &request("r-2"))), "r-2");
    let of_request = requirement.authorize(&mut request("r-3")).await.unwrap_err();
    assert_eq!(id(server.response(of_request, &request("r-4"))), "r-3");
}
