//! What clients send where a token should be, and what users write into claims.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use orgate::policy::resource;
use orgate::rejection::Remediation;
use orgate::testing::TestIssuer;
use orgate::time::Clock as _;
use orgate::{Claims, Rejection};
use serde_json::json;

use crate::support::{API, api, local, send};

async fn rejection(authorization: &str) -> (String, Rejection) {
    let issuer = TestIssuer::start().await;
    let token = issuer.resource_token(API).mint();
    let response = send(&api(&local(&issuer)), "/", &authorization.replace("TOKEN", &token)).await;
    assert_eq!(response.status(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
    (challenge, response.extensions().get::<Rejection>().unwrap().clone())
}

/// Asked without `audience`, some issuers give a token that is encrypted for themselves.
#[tokio::test]
async fn a_token_encrypted_for_its_issuer_asks_for_a_token_of_this_api() {
    let header = json!({ "alg": "dir", "enc": "A256GCM", "iss": "https://tenant.eu.auth0.com/" });
    let (header, iv) = (B64.encode(header.to_string()), B64.encode([7; 12]));
    let token = format!("{header}..{iv}.{}.{}", B64.encode([9; 300]), B64.encode([3; 16]));
    let (_, rejection) = rejection(&format!("Bearer {token}")).await;
    assert_eq!(rejection.remediation(), Remediation::ResourceToken, "{rejection:?}");
}

#[tokio::test]
async fn a_value_that_javascript_wrote_is_no_opaque_token() {
    for value in ["Bearer undefined", "Bearer null", "Bearer NaN", "Bearer false"] {
        let (challenge, rejection) = rejection(value).await;
        assert!(!challenge.contains("opaque"), "{value}: {challenge} {rejection:?}");
    }
}

#[tokio::test]
async fn the_log_tells_a_missing_scheme_from_a_missing_header() {
    for (value, detail) in [
        ("TOKEN", "a JWT without a scheme"),
        ("Token TOKEN", "the scheme Token, expected Bearer"),
        ("JWT TOKEN", "the scheme JWT, expected Bearer"),
    ] {
        // The `Debug` form has the detail that the log has.
        let (_, rejection) = rejection(value).await;
        assert!(format!("{rejection:?}").contains(detail), "{value}: {rejection:?}");
    }
    let issuer = TestIssuer::start().await;
    let request = http::Request::get("/").body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(api(&local(&issuer)), request).await.unwrap();
    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert!(format!("{rejection:?}").contains("no Authorization header"), "{rejection:?}");
}

/// A name that was cut in the middle of an emoji, and sent on as `\ud83d`.
#[tokio::test]
async fn text_that_cannot_be_read_is_the_fault_of_the_token() {
    #[derive(serde::Deserialize)]
    struct Profile {
        name: String,
    }
    let issuer = TestIssuer::start().await;
    let show = async |Claims(profile): Claims<Profile>| profile.name;
    let app = local(&issuer).guard().get("/", show, resource()).into_router().unwrap();
    let now = issuer.clock().now().unix.as_secs();
    let payload = format!(
        r#"{{"iss":"{}","sub":"u","client_id":"a","aud":"{API}","iat":{now},"exp":{},"name":"Ann \ud83d"}}"#,
        issuer.url(),
        now + 600
    );
    let token = issuer.resource_token(API).raw_payload(payload).mint();
    let response = send(&app, "/", &format!("Bearer {token}")).await;
    assert_eq!(response.status(), 401, "{:?}", response.extensions().get::<Rejection>());
}
