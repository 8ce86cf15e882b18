//! Requests with proofs, right and wrong.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orgate::ResourceServer;
use orgate::issuer::Algorithm;
use orgate::policy::resource;
use orgate::testing::{TestClock, TestIssuer};
use orgate::time::Clock as _;
use orgate::token::binding::Dpop;
use serde_json::{Value, json};

use super::support::{ALGORITHMS, API, BEARER, ORDERS, World, request, send};

#[tokio::test]
async fn a_bound_token_with_its_proof_passes() {
    let world = World::start().await;
    let token = world.token();
    for scheme in ["DPoP", "dpop", "DPOP"] {
        world.send(scheme, &token, &[&world.proof(&token).mint()]).await.passes();
    }
}

#[tokio::test]
async fn an_unbound_bearer_token_passes_as_before() {
    let world = World::start().await;
    let token = world.issuer.resource_token(API).scope("read:orders").mint();
    let seen = world.send("Bearer", &token, &[]).await;
    assert_eq!((seen.status, &*seen.body, seen.nonce()), (200, "user_1 false", None));
    let stray = world.send("Bearer", &token, &["no proof"]).await;
    assert_eq!(stray.status, 200, "the header says nothing about a Bearer token");
}

#[tokio::test]
async fn a_bound_token_sent_as_bearer_is_rejected() {
    let world = World::start().await;
    let token = world.token();
    let proof = world.proof(&token).mint();
    for proofs in [&[][..], &[&*proof]] {
        let seen = world.send("Bearer", &token, proofs).await;
        assert_eq!((seen.status, &*seen.remediation()), (401, "new_proof"));
        let challenges = seen.challenges();
        assert!(challenges[0].starts_with("Bearer error=\"invalid_token\", "), "{challenges:?}");
        assert_eq!(challenges[1..], [ALGORITHMS]);
    }
    world.send("DPoP", &token, &[&proof]).await.passes();
}

#[tokio::test]
async fn an_unbound_token_sent_as_dpop_is_rejected() {
    let world = World::start().await;
    let token = world.issuer.resource_token(API).scope("read:orders").mint();
    world.send("DPoP", &token, &[&world.proof(&token).mint()]).await.is_refused("invalid_token", "authenticate");
}

#[tokio::test]
async fn a_request_without_a_token_is_told_both_schemes() {
    let world = World::start().await;
    let bare = http::Request::get("/orders").body(axum::body::Body::empty()).unwrap();
    let seen = send(&world.app, bare).await;
    let bearer = "Bearer scope=\"read:orders\", realm=\"https://api.example.com\"";
    assert_eq!((seen.status, &*seen.challenges()), (401, &[bearer, ALGORITHMS][..]));
}

#[tokio::test]
async fn exactly_one_proof_is_needed() {
    let world = World::start().await;
    let token = world.token();
    let (one, other) = (world.proof(&token).mint(), world.proof(&token).mint());
    for proofs in [&[][..], &[&*one, &*other], &[&*one, &*one], &[&*format!("{one}, {other}")], &[""], &[&*token]] {
        world.send("DPoP", &token, proofs).await.is_refused("invalid_dpop_proof", "new_proof");
    }
    world.send("DPoP", &token, &[&one]).await.passes();
}

/// Each is wrong in one way only, and none is recorded.
#[tokio::test]
async fn a_hostile_proof_is_rejected() {
    let world = World::start().await;
    let token = world.token();
    let other_token = world.token();
    let other = world.issuer.proof_key();
    let good = || world.proof(&token).id("id-1");
    let now = world.issuer.clock().now().unix;
    let hostile = [
        ("another key", other.proof("GET", ORDERS, &token)),
        ("signed by another key", good().forged_by(&other)),
        ("tampered", good().tampered()),
        ("another method", good().claim("htm", "POST")),
        ("the method in lower case", good().claim("htm", "get")),
        ("another path", good().claim("htu", "https://api.example.com/order")),
        ("a path below", good().claim("htu", "https://api.example.com/orders/1")),
        ("another host", good().claim("htu", "https://evil.example/orders")),
        ("another scheme", good().claim("htu", "http://api.example.com/orders")),
        ("another port", good().claim("htu", "https://api.example.com:8443/orders")),
        ("a relative target", good().claim("htu", "/orders")),
        ("another token", good().claim("ath", other.proof("GET", ORDERS, &other_token).mint())),
        ("the digest of another token", world.proof(&other_token)),
        ("too old", good().issued_at(now.checked_sub(Duration::from_secs(121)).unwrap())),
        ("ahead", good().issued_at(now + Duration::from_secs(61))),
        ("an empty id", good().id("")),
        ("a long id", good().id("x".repeat(129))),
        ("no id", good().without_claim("jti")),
        ("no method", good().without_claim("htm")),
        ("no target", good().without_claim("htu")),
        ("no time", good().without_claim("iat")),
        ("no digest", good().without_claim("ath")),
        ("no type", good().without_header("typ")),
        ("the type of a token", good().header("typ", "at+jwt")),
        ("no algorithm", good().without_header("alg")),
        ("another algorithm", good().header("alg", "ES384")),
        ("a symmetric algorithm", good().header("alg", "HS256")),
        ("the algorithm none", good().header("alg", "none")),
        ("no key", good().without_header("jwk")),
        ("a symmetric key", good().header("jwk", json!({ "kty": "oct", "k": "AAAA" }))),
        ("a critical extension", good().header("crit", ["x"])),
        ("very long", good().claim("x", "x".repeat(9000))),
    ];
    for (what, proof) in hostile {
        let seen = world.send("DPoP", &token, &[&proof.mint()]).await;
        assert_eq!(seen.status, 401, "{what}: {seen:?}");
        seen.is_refused("invalid_dpop_proof", "new_proof");
    }
    world.send("DPoP", &token, &[&good().mint()]).await.passes();
}

/// Header and claims of a proof.
fn parts(proof: &str) -> [Value; 2] {
    let mut parts = proof.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    [(); 2].map(|()| serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

#[tokio::test]
async fn a_private_key_in_a_proof_is_rejected() {
    let world = World::configured(|dpop| dpop.algorithms(Algorithm::ALL)).await;
    for algorithm in Algorithm::ALL {
        let key = world.issuer.proof_key_for(algorithm);
        let token = world.issuer.resource_token(API).scope("read:orders").bound_to(&key).mint();
        let public = parts(&key.proof("GET", ORDERS, &token).mint())[0]["jwk"].clone();
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            for value in [json!("AAAA"), json!(""), json!(null), json!([])] {
                let mut jwk = public.clone();
                jwk[member] = value;
                let proof = key.proof("GET", ORDERS, &token).header("jwk", jwk.clone()).mint();
                let seen = world.send("DPoP", &token, &[&proof]).await;
                assert_eq!(seen.status, 401, "{jwk}: {seen:?}");
            }
        }
        let proof = key.proof("GET", ORDERS, &token).header("jwk", public).mint();
        assert_eq!(world.send("DPoP", &token, &[&proof]).await.status, 200);
    }
}

#[tokio::test]
async fn a_member_that_is_named_twice_is_rejected() {
    let world = World::start().await;
    let token = world.token();
    let [header, claims] = parts(&world.proof(&token).mint());
    let twice = |object: &Value, name: &str, is_first: bool| {
        let (text, value) = (object.to_string(), &object[name]);
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap();
        if is_first { format!("{{\"{name}\":{value},{inner}}}") } else { format!("{{{inner},\"{name}\":{value}}}") }
    };
    for is_first in [false, true] {
        for name in ["jti", "htm", "htu", "iat", "ath"] {
            let proof = world.proof(&token).raw_claims(twice(&claims, name, is_first)).mint();
            world.send("DPoP", &token, &[&proof]).await.is_refused("invalid_dpop_proof", "new_proof");
        }
        for name in ["typ", "alg", "jwk"] {
            let proof = world.proof(&token).raw_header(twice(&header, name, is_first)).mint();
            world.send("DPoP", &token, &[&proof]).await.is_refused("invalid_dpop_proof", "new_proof");
        }
    }
    let mut key = header.clone();
    key["jwk"] = json!("JWK");
    let key = key.to_string().replace("\"JWK\"", &twice(&header["jwk"], "x", false));
    for raw in [
        world.proof(&token).raw_header(key),
        world.proof(&token).raw_claims("[]"),
        world.proof(&token).raw_claims(""),
        world.proof(&token).raw_claims("null"),
        world.proof(&token).raw_claims(vec![0xFF, 0xFE]),
        world.proof(&token).raw_claims(format!("{claims} {claims}")),
        world.proof(&token).raw_header("{}"),
        world.proof(&token).raw_header(vec![0xFF]),
    ] {
        world.send("DPoP", &token, &[&raw.mint()]).await.is_refused("invalid_dpop_proof", "new_proof");
    }
    let same = world.proof(&token).raw_header(header.to_string()).raw_claims(claims.to_string()).mint();
    world.send("DPoP", &token, &[&same]).await.passes();
}

/// The window is a minute, and so is the leeway.
#[tokio::test]
async fn iat_is_accepted_from_the_window_and_leeway_before_now_to_the_leeway_after() {
    let issuer = TestIssuer::builder().clock(TestClock::new(Duration::from_secs(1_800_000_000))).start().await;
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).dpop(Dpop::new(API)).build().unwrap();
    let world = World::of(issuer, server);
    let (token, now) = (world.token(), world.issuer.clock().now().unix.as_secs());
    for (iat, passes) in [
        (json!(now), true),
        (json!(now - 120), true),
        (json!(now - 121), false),
        (json!(now + 60), true),
        (json!(now + 61), false),
        (json!(1_800_000_000.0_f64 - 120.5), false),
        (json!(0), false),
        (json!(-1), false),
        (json!(1e300), false),
        (json!(now.to_string()), false),
        (json!(null), false),
        (json!([now]), false),
    ] {
        let seen = world.send("DPoP", &token, &[&world.proof(&token).claim("iat", iat.clone()).mint()]).await;
        assert_eq!(seen.status, if passes { 200 } else { 401 }, "{iat}: {seen:?}");
    }
}

#[tokio::test]
async fn every_allowed_algorithm_signs_proofs() {
    let world = World::configured(|dpop| dpop.algorithms(Algorithm::ALL)).await;
    for algorithm in Algorithm::ALL {
        let key = world.issuer.proof_key_for(algorithm);
        let token = world.issuer.resource_token(API).scope("read:orders").bound_to(&key).mint();
        let proof = key.proof("GET", ORDERS, &token).mint();
        world.send("DPoP", &token, &[&proof]).await.passes();
    }
    let world = World::start().await;
    let key = world.issuer.proof_key_for(Algorithm::Rs256);
    let token = world.issuer.resource_token(API).scope("read:orders").bound_to(&key).mint();
    let proof = key.proof("GET", ORDERS, &token).mint();
    world.send("DPoP", &token, &[&proof]).await.is_refused("invalid_dpop_proof", "new_proof");
}

#[tokio::test]
async fn the_claims_of_a_host_header_change_nothing() {
    let world = World::start().await;
    let token = world.token();
    let with_host = |proof: &str| {
        let mut request = request("GET", "/orders", "DPoP", &token, &[proof]);
        for (name, value) in
            [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")]
        {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    };
    let theirs = world.key.proof("GET", "https://evil.example/orders", &token).mint();
    send(&world.app, with_host(&theirs)).await.is_refused("invalid_dpop_proof", "new_proof");
    send(&world.app, with_host(&world.proof(&token).mint())).await.passes();
}

#[tokio::test]
async fn a_token_that_is_invalid_is_rejected_before_its_proof() {
    let world = World::start().await;
    let token = world.issuer.resource_token(API).bound_to(&world.key).expired().mint();
    world.send("DPoP", &token, &[]).await.is_refused("invalid_token", "refresh");
}

#[tokio::test]
async fn a_bad_proof_is_rejected_before_the_policy_speaks() {
    let world = World::start().await;
    let token = world.issuer.resource_token(API).bound_to(&world.key).mint();
    world.send("DPoP", &token, &[]).await.is_refused("invalid_dpop_proof", "new_proof");
    let seen = world.call(&token).await;
    assert_eq!(seen.status, 403);
    let challenges = seen.challenges();
    let expected = format!("{ALGORITHMS}, error=\"insufficient_scope\", scope=\"read:orders\", ");
    assert!(challenges[0].starts_with(&expected), "{challenges:?}");
    assert_eq!(challenges[1..], [BEARER]);
}

#[tokio::test]
async fn a_claim_that_cannot_be_checked_is_rejected() {
    let world = World::start().await;
    for cnf in [json!(null), json!({}), json!([]), json!("x"), json!({ "jwk": {} }), json!({ "jkt": null })] {
        let token = world.issuer.resource_token(API).scope("read:orders").claim("cnf", &cnf).mint();
        let seen = world.send("Bearer", &token, &[]).await;
        assert_eq!(seen.status, 401, "{cnf}");
        world.call(&token).await.is_refused("invalid_token", "authenticate");
    }
}

#[tokio::test]
async fn without_dpop_a_bound_token_is_rejected() {
    let world = World::built(|builder| builder).await;
    let token = world.token();
    let seen = world.send("Bearer", &token, &[]).await;
    assert_eq!((seen.status, &*seen.remediation()), (401, "authenticate"));
    assert!(seen.challenges()[0].starts_with("Bearer error=\"invalid_token\""));
    let seen = world.call(&token).await;
    let bearer = "Bearer scope=\"read:orders\", realm=\"https://api.example.com\"";
    assert_eq!((seen.status, &*seen.challenges()), (401, &[bearer][..]), "the scheme is not taken");
}

#[tokio::test]
async fn where_bound_tokens_are_required_no_other_token_passes() {
    let world = World::built(|builder| builder.dpop(Dpop::new(API)).require_sender_constrained()).await;
    let token = world.issuer.resource_token(API).scope("read:orders").mint();
    let seen = world.send("Bearer", &token, &[]).await;
    assert_eq!((seen.status, &*seen.remediation()), (401, "authenticate"));
    assert_eq!(seen.challenges().len(), 1, "Bearer is not offered");
    assert!(seen.challenges()[0].starts_with(&format!("{ALGORITHMS}, error=\"invalid_token\"")));
    world.call(&world.token()).await.passes();
}

#[tokio::test]
async fn a_bound_token_without_a_request_is_rejected() {
    let world = World::start().await;
    assert!(world.server.verify(&world.token()).await.is_err());
    assert!(world.server.verify(&world.issuer.resource_token(API).mint()).await.is_ok());
}

#[tokio::test]
async fn settings_that_cannot_protect_are_a_config_error() {
    let issuer = world_issuer().await;
    let builder = || ResourceServer::builder(issuer.url(), API);
    let fault = builder().require_sender_constrained().build().unwrap_err().to_string();
    assert!(fault.contains("require_sender_constrained"), "{fault}");
    let fault = builder().dpop(Dpop::new("http://api.example.com")).build().unwrap_err().to_string();
    assert!(fault.contains("http://api.example.com"), "{fault}");
    assert!(builder().dpop(Dpop::new("http://api.example.com")).dangerous_allow_http().build().is_ok());
}

async fn world_issuer() -> TestIssuer {
    TestIssuer::start().await
}

/// A proxy removes `/v1`.
#[tokio::test]
async fn a_prefix_that_a_proxy_removes_is_part_of_the_target() {
    let dpop = Dpop::new("https://api.example.com/v1").public_url("https://api.example.net");
    let world = World::built(|builder| builder.dpop(dpop)).await;
    let token = world.token();
    let sent = async |url: &str| world.send("DPoP", &token, &[&world.key.proof("GET", url, &token).mint()]).await;
    sent("https://api.example.com/v1/orders").await.passes();
    sent("https://api.example.net/orders?page=2#top").await.passes();
    sent("HTTPS://API.EXAMPLE.com:443/v1/./%6Frders").await.passes();
    sent("https://api.example.com/orders").await.is_refused("invalid_dpop_proof", "new_proof");
    sent("https://api.example.net/v1/orders").await.is_refused("invalid_dpop_proof", "new_proof");
}

/// axum takes the prefix off before the layer sees the path.
#[tokio::test]
async fn below_a_nested_router_the_target_is_the_whole_path() {
    let world = World::start().await;
    let inner = super::support::plain().layer(world.server.require(resource()).unwrap());
    let app = axum::Router::new().nest("/v2", inner);
    let token = world.token();
    let sent = async |url: &str| {
        let proof = world.key.proof("GET", url, &token).mint();
        send(&app, request("GET", "/v2/orders", "DPoP", &token, &[&proof])).await
    };
    sent("https://api.example.com/v2/orders").await.passes();
    sent("https://api.example.com/orders").await.is_refused("invalid_dpop_proof", "new_proof");
}

#[tokio::test]
async fn a_route_can_require_a_bound_token() {
    let world = World::start().await;
    let app = world
        .server
        .guard()
        .get("/orders", super::support::whose, resource().dpop())
        .get("/any", super::support::whose, resource().sender_constrained())
        .get("/certified", super::support::whose, resource().mtls())
        .into_router()
        .unwrap();
    let bound = world.token();
    let sent = async |path: &str| {
        let proof = world.key.proof("GET", format!("{API}{path}"), &bound).mint();
        send(&app, request("GET", path, "DPoP", &bound, &[&proof])).await
    };
    sent("/orders").await.passes();
    sent("/any").await.passes();
    sent("/certified").await.is_refused("invalid_token", "authenticate");
    let unbound = world.issuer.resource_token(API).mint();
    for path in ["/orders", "/any", "/certified"] {
        let seen = send(&app, request("GET", path, "Bearer", &unbound, &[])).await;
        assert_eq!((seen.status, &*seen.remediation()), (401, "authenticate"), "{path}");
        assert_eq!(seen.challenges()[1..], [ALGORITHMS]);
    }
}

#[tokio::test]
async fn explanation_tells_what_a_token_is_bound_to() {
    let world = World::start().await;
    let requirement = world.server.requirement(resource().mtls()).unwrap();
    let (unbound, bound) = (world.issuer.resource_token(API).mint(), world.token());
    let proof = world.proof(&bound).mint();
    for (scheme, token, proofs, found) in [
        ("Bearer", &unbound, &[][..], "the token is bound to nothing"),
        ("DPoP", &bound, &[&*proof], "the token is dpop"),
    ] {
        let mut parts = request("GET", "/orders", scheme, token, proofs).into_parts().0;
        let explanation = requirement.explain(&mut parts).await;
        let failed = explanation.failed_step().unwrap();
        assert_eq!(failed.found.split(':').next(), Some(found), "{explanation:?}");
    }
}
