//! `requirement.authorize` and `server.verify`.

use http::request::Parts;
use orgate::change::{About, Change};
use orgate::engine::Grant;
use orgate::organization::PathParams;
use orgate::policy::{optional, organization, path, resource};
use orgate::rejection::{RejectionKind, Remediation};
use orgate::respond::RejectionBody;
use orgate::time::Clock as _;

use crate::web::Api;

pub(crate) fn parts(token: Option<&str>, org: &str) -> Parts {
    let mut request = http::Request::get("/");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    parts.extensions.insert(PathParams::new([("org", org)]));
    parts
}

#[tokio::test]
async fn a_request_outside_http_is_granted_or_rejected_with_its_response() {
    let api = Api::start().await;
    let invite = api.server.requirement(organization(path("org")).scope("invite")).unwrap();
    assert_eq!(invite.policy(), "organization from path {org} and scope invite");
    let token = api.organization_token("acme", "invite");

    let mut request = parts(Some(&token), "acme");
    let grant = invite.authorize(&mut request).await.unwrap();
    assert_eq!(grant.organization().unwrap().id(), "acme");
    assert!(grant.token().unwrap().has_scope("invite"));
    assert!(request.headers["authorization"].is_sensitive());
    assert!(request.extensions.get::<Grant>().is_some());

    let mut request = parts(Some(&token), "globex");
    let rejection = invite.authorize(&mut request).await.unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::WrongOrganization);
    assert!(request.extensions.get::<Grant>().is_none());
    let response = invite.response(rejection, &request);
    assert_eq!(response.status(), 403);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().contains("insufficient_scope"));
    assert_eq!(response.headers()["content-type"], "application/problem+json");

    let rejection = invite.authorize(&mut parts(None, "acme")).await.unwrap_err();
    assert_eq!((rejection.status().as_u16(), rejection.challenges().len()), (401, 1));
}

#[tokio::test]
async fn an_optional_policy_grants_without_a_token() {
    let api = Api::start().await;
    let home = api.server.requirement(optional(resource().scope("read"))).unwrap();
    let grant = home.authorize(&mut parts(None, "")).await.unwrap();
    assert!(grant.token().is_none() && grant.organization().is_none());
    assert_eq!(home.authorize(&mut parts(Some("a.b.c"), "")).await.unwrap_err().status().as_u16(), 401);
}

#[tokio::test]
async fn a_rejection_has_the_body_of_the_api_once_for_each_request() {
    let api = Api::configured(|builder| {
        builder.rejection_body(|rejection, headers| {
            RejectionBody::text(format!("{:?} {}", rejection.kind(), headers.contains_key("authorization")))
        })
    })
    .await;
    let read = api.server.requirement(resource().scope("read")).unwrap();
    let mut request = parts(Some("x"), "");
    let rejection = read.authorize(&mut request).await.unwrap_err();
    let response = read.response(rejection, &request);
    assert_eq!(response.body(), "OpaqueToken true");
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
}

#[tokio::test]
async fn a_token_alone_is_verified_and_revoked_tokens_are_not() {
    let api = Api::start().await;
    let token = api.token("read");
    let verified = api.server.verify(&token).await.unwrap();
    assert!(verified.has_scope("read"));

    for bad in ["", "x", "a.b.c", &api.issuer.resource_token(crate::web::RESOURCE).forged().mint()] {
        assert!(api.server.verify(bad).await.is_err(), "{bad:?}");
    }
    let long = "x".repeat(9000);
    assert_eq!(api.server.verify(&long).await.unwrap_err().kind(), RejectionKind::InvalidToken);

    let not_before = std::time::SystemTime::UNIX_EPOCH + api.issuer.clock().now().unix;
    let entry = api.server.issuer(api.issuer.url()).unwrap();
    let about = About::subject(verified.subject().id());
    entry.apply_change(&Change::not_before(entry.issuer(), about, not_before)).unwrap();
    let rejection = api.server.verify(&token).await.unwrap_err();
    assert_eq!((rejection.kind(), rejection.remediation()), (RejectionKind::RevokedToken, Remediation::Refresh));
}

/// What needs a fetch is rejected, and what does not is decided: nothing panics.
#[test]
fn without_a_runtime_nothing_panics() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (api, known) = runtime.block_on(async {
        let api = Api::start().await;
        let known = api.token("read");
        let read = api.server.requirement(resource().scope("read")).unwrap();
        read.authorize(&mut parts(Some(&known), "")).await.unwrap();
        (api, known)
    });
    let read = api.server.requirement(resource().scope("read")).unwrap();
    let outside = |token: &str| {
        let mut request = parts(Some(token), "");
        futures_util::future::FutureExt::now_or_never(read.authorize(&mut request)).expect("no wait").map(drop)
    };
    assert!(outside(&known).is_ok());
    let unknown = api.issuer.resource_token(crate::web::RESOURCE).signed_with_unknown_key().mint();
    assert!(outside(&unknown).is_err());
}
