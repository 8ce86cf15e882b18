//! An API behind orgate, and tokens of an independent authorization server. All over HTTP, on loopback.
//!
//! `cargo test` needs nothing but Rust and leaves these out. After `npm ci` in `tests/live`:
//!
//! ```sh
//! ORGATE_LIVE_ISSUER=tests/live cargo test --test live_issuer
//! ```

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

#[path = "live/api.rs"]
mod api;
#[path = "live/issuer.rs"]
mod issuer;

use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use futures_util::future::join_all;
use orgate::token::Introspection;
use serde_json::Value;

use api::Api;
use issuer::{BILLING, LiveIssuer, ORDERS};

const DISCOVERY: &str = "/oidc/.well-known/openid-configuration";
const KEYS: &str = "/oidc/jwks";
const INTROSPECTION: &str = "/oidc/token/introspection";
const KEYS_UNCHANGED: &str = "/oidc/jwks 304";

const ORDER_SCOPES: &[(&str, &str)] = &[("resource", ORDERS), ("scope", "read:orders")];
const MEMBERS_OF_ACME: &[(&str, &str)] = &[("organization_id", "acme"), ("scope", "read:members")];
const ORDERS_OF_ACME: &[(&str, &str)] = &[("resource", ORDERS), ("organization_id", "acme"), ("scope", "read:orders")];

fn verdict(status: u16, says: &str) -> (u16, String) {
    (status, says.to_owned())
}

#[tokio::test]
async fn each_model_opens_its_own_routes() {
    let issuer = LiveIssuer::start().await;
    let api = Api::start(&issuer).await;
    let routes = ["/orders", "/orgs/acme/members", "/orgs/acme/orders"];
    let expected = [
        (
            ORDER_SCOPES,
            [(200, "Machine worker in no organization"), (403, "organization_token"), (403, "organization_token")],
        ),
        (MEMBERS_OF_ACME, [(403, "resource_token"), (200, "Machine worker in acme"), (403, "resource_token")]),
        (ORDERS_OF_ACME, [(403, "resource_token"), (403, "organization_token"), (200, "Machine worker in acme")]),
    ];
    for (form, verdicts) in expected {
        let token = issuer.token(form).await;
        for (route, (status, says)) in routes.iter().zip(verdicts) {
            assert_eq!(api.get(route, &token).await.verdict(), verdict(status, says), "{form:?} at {route}");
        }
    }
    let requests = issuer.new_requests().await;
    assert_eq!((requests[DISCOVERY], requests[KEYS]), (1, 1), "{requests:?}");
}

#[tokio::test]
async fn another_organization() {
    let issuer = LiveIssuer::start().await;
    let api = Api::start(&issuer).await;
    for (form, resource, scope) in
        [(MEMBERS_OF_ACME, "members", "read:members"), (ORDERS_OF_ACME, "orders", "read:orders")]
    {
        let token = issuer.token(form).await;
        assert_eq!(api.get(&format!("/orgs/acme/{resource}"), &token).await.status, 200);
        let denied = api.get(&format!("/orgs/globex/{resource}"), &token).await;
        assert_eq!(denied.verdict(), verdict(403, "organization_token"));
        assert!(denied.challenge().contains("error=\"insufficient_scope\""), "{denied:?}");
        assert!(denied.challenge().contains(&format!("scope=\"{scope}\"")), "{denied:?}");
        assert!(!denied.challenge().contains("globex") && !denied.challenge().contains("acme"), "{denied:?}");
    }
}

#[tokio::test]
async fn scopes_that_were_not_asked_for_or_are_not_held() {
    let issuer = LiveIssuer::start().await;
    let api = Api::start(&issuer).await;
    let reader = issuer.token(ORDER_SCOPES).await;
    let denied = api.get("/drafts", &reader).await;
    assert_eq!(denied.verdict(), verdict(403, "request_scope"));
    assert!(denied.challenge().contains("error=\"insufficient_scope\""), "{denied:?}");
    assert!(denied.challenge().contains("scope=\"write:orders\""), "{denied:?}");
    let writer = issuer.token(&[("resource", ORDERS), ("scope", "write:orders")]).await;
    assert_eq!(api.get("/drafts", &writer).await.status, 200);

    // The stranger's resource tokens have no scope claim, its organization tokens an empty one.
    for (form, route) in
        [(ORDER_SCOPES, "/orders"), (MEMBERS_OF_ACME, "/orgs/acme/members"), (ORDERS_OF_ACME, "/orgs/acme/orders")]
    {
        let stranger = issuer.token_of("stranger", form).await;
        assert_eq!(api.get(route, &stranger).await.verdict(), verdict(403, "request_scope"), "{route}");
        let worker = issuer.token(form).await;
        assert_eq!(api.get(route, &worker).await.status, 200, "{route}");
    }
}

#[tokio::test]
async fn tokens_that_are_not_for_this_api() {
    let issuer = LiveIssuer::start().await;
    let api = Api::start(&issuer).await;
    let none = api.get("/orders", "").await;
    assert_eq!(none.verdict(), verdict(401, "authenticate"));
    assert_eq!(none.challenge(), format!("Bearer scope=\"read:orders\", realm=\"{ORDERS}\""));

    let billing = issuer.token(&[("resource", BILLING), ("scope", "read:invoices")]).await;
    let refused = api.get("/orders", &billing).await;
    assert_eq!(refused.verdict(), verdict(401, "authenticate"));
    assert!(refused.challenge().contains("error=\"invalid_token\""), "{refused:?}");

    let opaque = issuer.token(&[]).await;
    assert!(!opaque.contains('.'));
    let refused = api.get("/orders", &opaque).await;
    assert_eq!(refused.verdict(), verdict(401, "resource_token"));
    assert!(refused.challenge().contains("Request it with the resource parameter"), "{refused:?}");
}

#[tokio::test]
async fn tampered_tokens() {
    let issuer = LiveIssuer::start().await;
    let api = Api::start(&issuer).await;
    let (token, other) = (issuer.token(ORDER_SCOPES).await, issuer.token(ORDER_SCOPES).await);
    assert_eq!(api.get("/orders", &token).await.status, 200);
    let Jwt { header, payload, signature } = Jwt::read(&token);

    let more = replaced(&payload, "\"read:orders\"", "\"read:orders write:orders\"");
    let unsigned = replaced(&header, "ES384", "none");
    let mut flipped = signature.clone();
    flipped[95] ^= 1;
    let tampered = [
        ("/drafts", Jwt::write(&header, &more, &signature)),
        ("/orders", Jwt::write(&header, &payload, &flipped)),
        ("/orders", Jwt::write(&header, &payload, &Jwt::read(&other).signature)),
        ("/orders", Jwt::write(&header, &payload, &[])),
        ("/orders", Jwt::write(&unsigned, &payload, &[])),
        ("/orders", token.trim_end_matches(|last| last != '.').to_owned()),
    ];
    for (route, token) in tampered {
        let refused = api.get(route, &token).await;
        assert_eq!(refused.verdict(), verdict(401, "authenticate"), "{token}");
        assert!(refused.challenge().contains("error=\"invalid_token\""), "{refused:?}");
    }
    let rewritten = Jwt::write(&header, &payload, &signature);
    assert_eq!(api.get("/orders", &rewritten).await.status, 200, "it is the tampering that is refused");
}

#[tokio::test]
async fn tokens_of_another_issuer() {
    let (ours, theirs) = (LiveIssuer::start().await, LiveIssuer::start().await);
    let api = Api::start(&ours).await;
    let token = theirs.token(ORDER_SCOPES).await;
    assert_eq!(Api::start(&theirs).await.get("/orders", &token).await.status, 200);
    theirs.new_requests().await;

    assert_eq!(api.get("/orders", &token).await.verdict(), verdict(401, "authenticate"));
    assert!(ours.new_requests().await.is_empty(), "refused before any fetch");

    // In our issuer's name, with their key.
    let Jwt { header, payload, signature } = Jwt::read(&token);
    let relabelled = Jwt::write(&header, &replaced(&payload, theirs.url(), ours.url()), &signature);
    assert_eq!(api.get("/orders", &relabelled).await.verdict(), verdict(401, "retry"));
    assert_eq!(api.get("/orders", &ours.token(ORDER_SCOPES).await).await.status, 200);
    assert!(theirs.new_requests().await.is_empty());
}

#[tokio::test]
async fn age() {
    let issuer = LiveIssuer::start().await;
    let api = Api::start(&issuer).await;
    let token = issuer.token(ORDER_SCOPES).await;
    let expires = Duration::from_secs(json(&Jwt::read(&token).payload)["exp"].as_u64().expect("exp"));
    api.clock.set_wall(expires + Duration::from_secs(59));
    assert_eq!(api.get("/orders", &token).await.status, 200, "within the leeway");
    api.clock.set_wall(expires + Duration::from_secs(61));
    assert_eq!(api.get("/orders", &token).await.verdict(), verdict(401, "refresh"));
}

#[tokio::test]
async fn an_unchanged_key_set_is_not_sent_again() {
    let issuer = LiveIssuer::start().await;
    let api = Api::start(&issuer).await;
    let token = issuer.token(ORDER_SCOPES).await;
    assert_eq!(api.get("/orders", &token).await.status, 200);
    assert!(!issuer.new_requests().await.contains_key(KEYS_UNCHANGED));

    for _ in 0..2 {
        api.outlive_keys();
        assert_eq!(api.get("/orders", &token).await.status, 200);
        let requests = issuer.new_requests().await;
        assert_eq!((requests[DISCOVERY], requests[KEYS], requests[KEYS_UNCHANGED]), (1, 1, 1), "{requests:?}");
        assert_eq!(api.get("/orders", &token).await.status, 200);
        assert!(issuer.new_requests().await.is_empty(), "fresh again");
    }

    issuer.turn("rotate").await;
    api.outlive_keys();
    assert_eq!(api.get("/orders", &token).await.status, 200);
    let requests = issuer.new_requests().await;
    assert_eq!((requests[KEYS], requests.get(KEYS_UNCHANGED)), (1, None), "{requests:?}");
}

#[tokio::test]
async fn rotation_with_overlap() {
    let issuer = LiveIssuer::start().await;
    let api = Api::start(&issuer).await;
    let old = issuer.token(ORDER_SCOPES).await;
    assert_eq!(api.get("/orders", &old).await.status, 200);

    issuer.turn("rotate").await;
    let new = issuer.token(ORDER_SCOPES).await;
    assert_ne!(json(&Jwt::read(&old).header)["kid"], json(&Jwt::read(&new).header)["kid"]);
    issuer.new_requests().await;

    let at_once = join_all(std::iter::repeat_with(|| api.get("/orders", &new)).take(20)).await;
    assert!(at_once.iter().all(|answer| answer.status == 200), "{at_once:?}");
    assert_eq!(api.get("/orders", &old).await.status, 200);
    let requests = issuer.new_requests().await;
    assert_eq!((requests[DISCOVERY], requests[KEYS]), (1, 1), "{requests:?}");
}

#[tokio::test]
async fn rotation_without_overlap_seen_at_the_next_refresh() {
    let issuer = LiveIssuer::start().await;
    let api = Api::start(&issuer).await;
    let old = issuer.token(ORDER_SCOPES).await;
    assert_eq!(api.get("/orders", &old).await.status, 200);

    issuer.turn("rotate-without-overlap").await;
    assert_eq!(api.get("/orders", &old).await.status, 200, "nobody has told the API");
    api.outlive_keys();
    // It was issued a moment ago: as far as the API knows, a new one would be signed with the same key.
    assert_eq!(api.get("/orders", &old).await.verdict(), verdict(401, "retry"));
    assert_eq!(api.get("/orders", &issuer.token(ORDER_SCOPES).await).await.status, 200);
}

#[tokio::test]
async fn rotation_without_overlap_seen_by_a_new_token() {
    let issuer = LiveIssuer::start().await;
    let api = Api::start(&issuer).await;
    let old = issuer.token(ORDER_SCOPES).await;
    assert_eq!(api.get("/orders", &old).await.status, 200);

    issuer.turn("rotate-without-overlap").await;
    assert_eq!(api.get("/orders", &issuer.token(ORDER_SCOPES).await).await.status, 200);
    // A fetch to make sure is not due yet, and may not be bought so soon after the last.
    assert_eq!(api.get("/orders", &old).await.verdict(), verdict(401, "retry"));
    api.clock.advance_monotonic(Duration::from_secs(5));
    issuer.new_requests().await;
    for _ in 0..3 {
        assert_eq!(api.get("/orders", &old).await.verdict(), verdict(401, "retry"));
    }
    assert_eq!(issuer.new_requests().await[KEYS], 1, "what is known not to be there is not asked for again");
}

#[tokio::test]
async fn outage() {
    let issuer = LiveIssuer::start().await;
    let warm = Api::start(&issuer).await;
    let known = issuer.token(ORDER_SCOPES).await;
    assert_eq!(warm.get("/orders", &known).await.status, 200);
    issuer.turn("rotate").await;
    let unknown = issuer.token(ORDER_SCOPES).await;
    issuer.turn("down").await;

    // Keys that are held serve on, past their lifetime too; none other can be decided about.
    for _ in 0..2 {
        assert_eq!(warm.get("/orders", &known).await.status, 200);
        assert_undecided(&warm, &unknown).await;
        assert_eq!(warm.get("/orders", &known).await.status, 200);
        warm.outlive_keys();
    }
    let cold = Api::start(&issuer).await;
    assert_undecided(&cold, &known).await;
    assert!(cold.server.ready().await.is_err());
    warm.clock.advance_monotonic(Duration::from_secs(24 * 60 * 60));
    assert_undecided(&warm, &known).await;

    issuer.turn("up").await;
    issuer.new_requests().await;
    assert_undecided(&warm, &known).await;
    assert_undecided(&cold, &known).await;
    assert!(issuer.new_requests().await.is_empty(), "not before the back-off is over");
    for api in [warm, cold] {
        api.clock.advance_monotonic(Duration::from_secs(60));
        assert_eq!(api.get("/orders", &unknown).await.status, 200);
        assert_eq!(api.get("/orders", &known).await.status, 200);
        assert!(api.server.ready().await.is_ok());
    }
}

async fn assert_undecided(api: &Api, token: &str) {
    let answer = api.get("/orders", token).await;
    assert_eq!(answer.verdict(), verdict(503, "retry"));
    assert!((1..=60).contains(&answer.retry_after()), "{answer:?}");
    assert_eq!(answer.challenge(), "");
}

/// As a client of the issuer that may ask it.
fn introspection(issuer: &LiveIssuer, secret: &str) -> Introspection {
    Introspection::new(format!("{}/token/introspection", issuer.url()), "stranger", secret)
}

#[tokio::test]
async fn opaque_tokens_are_asked_about() {
    let issuer = LiveIssuer::start().await;
    for in_body in [false, true] {
        let ask = introspection(&issuer, "stranger-secret");
        let ask = if in_body { ask.client_secret_post() } else { ask };
        let strict = Api::configured(&issuer, |builder| builder.introspection(ask.clone())).await;
        let opaque = issuer.token(&[]).await;
        // It is not known what it was issued for.
        assert_eq!(strict.get("/me", &opaque).await.verdict(), verdict(401, "resource_token"));

        let ask = ask.dangerous_introspection_without_audience();
        let api = Api::configured(&issuer, |builder| builder.introspection(ask)).await;
        issuer.new_requests().await;
        for _ in 0..3 {
            let passed = api.get("/me", &opaque).await;
            assert_eq!(passed.verdict(), verdict(200, "Machine worker in no organization"));
        }
        assert_eq!(api.get("/orders", &opaque).await.verdict(), verdict(403, "resource_token"));
        assert_eq!(api.get("/orgs/acme/members", &opaque).await.verdict(), verdict(403, "organization_token"));
        assert_eq!(issuer.new_requests().await[INTROSPECTION], 1);

        let at_once = join_all(std::iter::repeat_with(|| api.get("/me", "nobody-s")).take(20)).await;
        assert!(at_once.iter().all(|answer| answer.verdict() == verdict(401, "refresh")), "{at_once:?}");
        assert_eq!(issuer.new_requests().await[INTROSPECTION], 1);
        let token = issuer.token(ORDER_SCOPES).await;
        assert_eq!(api.get("/orders", &token).await.status, 200);
        assert!(!issuer.new_requests().await.contains_key(INTROSPECTION), "a JWT is not asked about");
    }
}

#[tokio::test]
async fn opaque_tokens_are_revoked() {
    let issuer = LiveIssuer::start().await;
    let ask = introspection(&issuer, "stranger-secret").dangerous_introspection_without_audience();
    let api = Api::configured(&issuer, |builder| builder.introspection(ask)).await;
    let (opaque, other) = (issuer.token(&[]).await, issuer.token(&[]).await);
    assert_eq!(api.get("/me", &opaque).await.status, 200);
    issuer.revoke("worker", &opaque).await;
    api.clock.advance_monotonic(Duration::from_secs(29));
    assert_eq!(api.get("/me", &opaque).await.status, 200);
    api.clock.advance_monotonic(Duration::from_secs(1));
    assert_eq!(api.get("/me", &opaque).await.verdict(), verdict(401, "refresh"));
    assert_eq!(api.get("/me", &other).await.status, 200);
}

#[tokio::test]
async fn opaque_tokens_while_nobody_can_be_asked() {
    let issuer = LiveIssuer::start().await;
    let ask = introspection(&issuer, "stranger-secret").dangerous_introspection_without_audience();
    let api = Api::configured(&issuer, |builder| builder.introspection(ask)).await;
    let (known, unknown) = (issuer.token(&[]).await, issuer.token(&[]).await);
    assert_eq!(api.get("/me", &known).await.status, 200);
    issuer.turn("down").await;
    assert_eq!(api.get("/me", &known).await.status, 200, "for a short time");
    assert_asked_in_vain(&api, &unknown).await;
    api.clock.advance_monotonic(Duration::from_secs(30));
    assert_asked_in_vain(&api, &known).await;
    issuer.turn("up").await;
    assert_asked_in_vain(&api, &known).await;
    api.clock.advance_monotonic(Duration::from_secs(1));
    for token in [&known, &unknown] {
        assert_eq!(api.get("/me", token).await.status, 200);
    }
    // Whoever may not ask is not answered: our fault, not the client's.
    let wrong = introspection(&issuer, "wrong").dangerous_introspection_without_audience();
    let api = Api::configured(&issuer, |builder| builder.introspection(wrong)).await;
    assert_asked_in_vain(&api, &known).await;
}

async fn assert_asked_in_vain(api: &Api, token: &str) {
    let answer = api.get("/me", token).await;
    assert_eq!((answer.verdict(), answer.retry_after()), (verdict(503, "retry"), 1));
}

/// A token taken apart, octet by octet, and put together again.
struct Jwt {
    header: String,
    payload: String,
    signature: Vec<u8>,
}

impl Jwt {
    fn read(token: &str) -> Self {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts[..] else { panic!("not three parts: {token}") };
        let octets = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url");
        let text = |part: &str| String::from_utf8(octets(part)).expect("UTF-8");
        Self { header: text(header), payload: text(payload), signature: octets(signature) }
    }

    fn write(header: &str, payload: &str, signature: &[u8]) -> String {
        [header.as_bytes(), payload.as_bytes(), signature].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".")
    }
}

fn replaced(part: &str, old: &str, new: &str) -> String {
    assert!(part.contains(old), "{old} is not in {part}");
    part.replace(old, new)
}

fn json(part: &str) -> Value {
    serde_json::from_str(part).expect("JSON")
}
