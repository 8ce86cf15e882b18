use super::*;
use crate::rejection::{RejectionKind, Remediation};
use crate::respond::Quotable;
use crate::scope::Scope;

fn answers(shape_body: Option<ShapeBody>) -> Responder {
    let realm = Quotable::new("realm", "https://api.example.com").unwrap();
    let challenge = ChallengeSettings {
        realm,
        resource_metadata: None,
        documents: None,
        proof_algorithms: None,
        takes_bearer: true,
    };
    Responder { challenge, shape_body, grpc: true }
}

fn request() -> Parts {
    http::Request::new(()).into_parts().0
}

fn grpc_request() -> Parts {
    let request = http::Request::post("/").version(Version::HTTP_2).header(CONTENT_TYPE, "application/grpc+proto");
    request.body(()).unwrap().into_parts().0
}

#[test]
fn a_problem_body_with_scopes() {
    let scopes = |names: &[&str]| names.iter().map(|name| Scope::new(name).unwrap()).collect::<Vec<_>>();
    let rejection = Rejection::new(RejectionKind::InsufficientScope, Remediation::RequestScope, "inner detail")
        .with_scopes(scopes(&["a", "b"]), scopes(&["b"]));
    let response = answers(None).complete(rejection, &Wanted::default(), Rejected::of(&request())).into_response();
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(response.extensions().get::<Rejection>().unwrap().kind(), RejectionKind::InsufficientScope);
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    let expected = serde_json::json!({
        "title": "Forbidden", "status": 403, "detail": "The access token lacks a required scope.", "error": "insufficient_scope",
        "remediation": "request_scope", "required_scopes": ["a", "b"], "missing_scopes": ["b"],
    });
    assert_eq!(body, expected);
}

#[test]
fn a_hook_shapes_the_body_only() {
    let hook: ShapeBody = Arc::new(|rejection, request| {
        assert!(request.is_empty());
        RejectionBody::text(format!("sorry: {rejection}"))
    });
    let rejection = Rejection::unavailable(Duration::from_millis(1200), "secret detail");
    let response =
        answers(Some(hook)).complete(rejection, &Wanted::default(), Rejected::of(&request())).into_response();
    assert_eq!((response.status().as_u16(), &response.headers()[RETRY_AFTER]), (503, &HeaderValue::from(2)));
    assert_eq!(response.body(), "sorry: The request cannot be authorized at the moment. Try again later.");
    assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
}

#[test]
fn grpc_is_trailers_only() {
    use RejectionKind as K;
    for (kind, code) in [
        (K::InvalidRequest, "3"),
        (K::MissingToken, "16"),
        (K::ExpiredToken, "16"),
        (K::Denied, "7"),
        (K::Hidden, "5"),
        (K::Unavailable, "14"),
        (K::Misconfigured, "13"),
    ] {
        let response = answers(None)
            .complete(Rejection::new(kind, Remediation::None, "x"), &Wanted::default(), Rejected::of(&grpc_request()))
            .into_response();
        assert_eq!(response.status(), 200, "{kind:?}");
        assert_eq!(response.headers()[GRPC_STATUS], code, "{kind:?}");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
        assert!(response.body().is_empty());
    }
}

#[test]
fn a_content_type_alone_makes_no_grpc_call() {
    let status = |request: &Parts| {
        let rejection = Rejection::new(RejectionKind::MissingToken, Remediation::Authenticate, "x");
        answers(None).complete(rejection, &Wanted::default(), Rejected::of(request)).into_response().status().as_u16()
    };
    let changed = |change: fn(&mut Parts)| {
        let mut request = grpc_request();
        change(&mut request);
        status(&request)
    };
    assert_eq!(changed(|_| ()), 200);
    assert_eq!(changed(|request| request.method = Method::GET), 401);
    assert_eq!(changed(|request| request.version = Version::HTTP_11), 401);
    assert_eq!(
        changed(|request| _ = request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"))),
        401
    );
    let typed = |content_type| {
        let mut request = grpc_request();
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        status(&request)
    };
    for call in ["application/grpc", "application/grpc;x=y", "application/grpc-web+proto", "application/grpc-web-text"]
    {
        assert_eq!(typed(call), 200, "{call}");
    }
    for other in ["application/grpcx", "application/grpc-webx", "application/grpc-", "text/plain"] {
        assert_eq!(typed(other), 401, "{other}");
    }
}

#[test]
fn a_server_that_a_proxy_asks_never_says_200() {
    let answers = Responder { grpc: false, ..answers(None) };
    let rejection = Rejection::new(RejectionKind::MissingToken, Remediation::Authenticate, "x");
    assert_eq!(
        answers.complete(rejection, &Wanted::default(), Rejected::of(&grpc_request())).into_response().status(),
        401
    );
}

#[test]
fn seconds_are_rounded_up() {
    assert_eq!(whole_seconds(Duration::ZERO), 1);
    assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
    assert_eq!(whole_seconds(Duration::from_secs(30)), 30);
}
