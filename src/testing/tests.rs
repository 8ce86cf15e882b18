//! The issuer as a client sees it, over raw sockets.

use std::time::Duration;

use aws_lc_rs::signature::{self as lc, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Endpoint, Fault, LogtoRelease, TestClock, TestIssuer, TestTenant, TokenBuilder, TokenRequest};
use crate::signature::Algorithm;

const API: &str = "https://api.example.com";

/// The whole answer; empty if there is none.
async fn get(url: &str, headers: &str) -> String {
    receive(url, headers, Duration::from_secs(30), |_| false).await
}

/// What the server sends until it closes, the time is over, or it is enough.
async fn receive(url: &str, headers: &str, patience: Duration, enough: impl Fn(&str) -> bool) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let Ok(mut stream) = TcpStream::connect(host).await else { return String::new() };
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n");
    let mut answer = Vec::new();
    if stream.write_all(request.as_bytes()).await.is_ok() {
        let reading = async {
            while !enough(&String::from_utf8_lossy(&answer)) && matches!(stream.read_buf(&mut answer).await, Ok(1..)) {}
        };
        let _ = timeout(patience, reading).await;
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn decode(part: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()
}

fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(decode);
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

fn claims(token: &TokenBuilder) -> Value {
    parts(&token.mint()).1
}

/// By the key with the token's `kid`, straight with the crypto library.
fn verifies(token: &str, jwks: &str) -> bool {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = decode(signature);
    let (header, _) = parts(token);
    let jwks: Value = serde_json::from_str(jwks).unwrap();
    let Some(jwk) = jwks["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == header["kid"]) else {
        return false;
    };
    let number = |name: &str| decode(jwk[name].as_str().unwrap());
    let curve: &'static dyn lc::VerificationAlgorithm = match header["alg"].as_str().unwrap() {
        "ES256" => &lc::ECDSA_P256_SHA256_FIXED,
        "ES384" => &lc::ECDSA_P384_SHA384_FIXED,
        "ES512" => &lc::ECDSA_P521_SHA512_FIXED,
        "EdDSA" | "Ed25519" => {
            return UnparsedPublicKey::new(&lc::ED25519, number("x")).verify(message.as_bytes(), &signature).is_ok();
        }
        rsa => {
            let parameters = match rsa {
                "RS256" => &lc::RSA_PKCS1_2048_8192_SHA256,
                "RS384" => &lc::RSA_PKCS1_2048_8192_SHA384,
                "RS512" => &lc::RSA_PKCS1_2048_8192_SHA512,
                "PS256" => &lc::RSA_PSS_2048_8192_SHA256,
                "PS384" => &lc::RSA_PSS_2048_8192_SHA384,
                "PS512" => &lc::RSA_PSS_2048_8192_SHA512,
                other => panic!("{other}"),
            };
            let key = RsaPublicKeyComponents { n: number("n"), e: number("e") };
            return key.verify(parameters, message.as_bytes(), &signature).is_ok();
        }
    };
    let point = [vec![4], number("x"), number("y")].concat();
    UnparsedPublicKey::new(curve, point).verify(message.as_bytes(), &signature).is_ok()
}

#[tokio::test]
async fn every_algorithm_signs_what_its_key_verifies() {
    for algorithm in Algorithm::ALL {
        let issuer = TestIssuer::builder().algorithm(algorithm).start().await;
        let token = issuer.resource_token(API).scope("read:orders").mint();
        assert_eq!(parts(&token).0["alg"], algorithm.as_str());
        assert_eq!(parts(&token).0["kid"], issuer.signing_kid());
        let published = get(&issuer.jwks_uri(), "").await;
        assert_eq!(body(&published), issuer.jwks_json());
        assert!(verifies(&token, body(&published)), "{algorithm}");
        assert!(!verifies(&issuer.resource_token(API).tampered().mint(), body(&published)), "{algorithm}");
        assert!(!verifies(&issuer.resource_token(API).forged().mint(), body(&published)), "{algorithm}");
    }
    let issuer = TestIssuer::builder().algorithm(Algorithm::EdDsa).rfc9864_names().start().await;
    let token = issuer.resource_token(API).mint();
    assert_eq!(parts(&token).0["alg"], "Ed25519");
    assert!(verifies(&token, &issuer.jwks_json()));
}

#[tokio::test]
async fn metadata_stands_in_all_well_known_places() {
    for path in ["/oidc", ""] {
        let issuer = TestIssuer::builder().path(path).start().await;
        let base = issuer.url().strip_suffix(path).unwrap();
        for place in [
            format!("{}/.well-known/openid-configuration", issuer.url()),
            format!("{}/.well-known/oauth-authorization-server", issuer.url()),
            format!("{base}/.well-known/oauth-authorization-server{path}"),
        ] {
            let answer = get(&place, "").await;
            let metadata: Value = serde_json::from_str(body(&answer)).unwrap();
            assert_eq!(metadata["issuer"], issuer.url());
            assert_eq!(metadata["jwks_uri"], issuer.jwks_uri());
        }
        assert_eq!(issuer.requests(Endpoint::Discovery), 3);
        assert_eq!(status(&get(&format!("{base}/elsewhere"), "").await), "404");
        assert_eq!(issuer.requests(Endpoint::All), 3);
    }
}

#[tokio::test]
async fn tokens_are_shaped_as_by_logto() {
    let clock = TestClock::new(Duration::from_secs(1_800_000_000));
    let issuer = TestIssuer::builder().clock(clock.clone()).start().await;
    clock.advance(Duration::from_secs(5));

    let (header, mut claims) = parts(&issuer.resource_token(API).scope("a").scope("b").mint());
    assert_eq!(header, json!({ "alg": "ES384", "typ": "at+jwt", "kid": issuer.signing_kid() }));
    assert!(claims["jti"].is_string());
    claims["jti"].take();
    assert_eq!(
        claims,
        json!({
            "jti": null, "sub": "user_1", "client_id": "app_1", "scope": "a b", "iss": issuer.url(), "aud": API,
            "iat": 1_800_000_005, "exp": 1_800_003_605,
        })
    );

    let both = self::claims(&issuer.organization_resource_token(API, "org_a"));
    assert_eq!((&both["aud"], &both["organization_id"]), (&json!(API), &json!("org_a")));
    let organization = self::claims(&issuer.organization_token("org_a"));
    assert_eq!(organization["aud"], "urn:logto:organization:org_a");
    assert!(organization.get("organization_id").is_none());

    let scope = |token: &TokenBuilder| self::claims(token).get("scope").cloned();
    assert_eq!(scope(&issuer.resource_token(API)), Some(json!("")));
    assert_eq!(scope(&issuer.resource_token(API).machine("m2m")), None);
    assert_eq!(scope(&issuer.organization_resource_token(API, "org_a").machine("m2m")), None);
    assert_eq!(scope(&issuer.organization_token("org_a").machine("m2m")), Some(json!("")));

    let (header, id) = parts(&issuer.id_token("app_1").mint());
    assert_eq!((&header["typ"], &id["aud"]), (&json!(null), &json!("app_1")));
    assert!(id.get("client_id").is_none() && id["nonce"].is_string() && id["at_hash"].is_string());
    let (header, logout) = parts(&issuer.logout_token("app_1").mint());
    assert!(header["typ"] == "logout+jwt" && logout["events"].is_object());
    let opaque = issuer.opaque_token();
    assert!(opaque.len() == 43 && !opaque.contains('.'));
}

#[tokio::test]
async fn every_word_of_the_builder() {
    let clock = TestClock::new(Duration::from_secs(1_000_000));
    let issuer = TestIssuer::builder().clock(clock).start().await;
    let token = || issuer.resource_token(API);
    let has = |token: &TokenBuilder, name: &str, value: Value| assert_eq!(claims(token)[name], value);

    has(&token().subject("user_2"), "sub", json!("user_2"));
    has(&token().client("app_2"), "client_id", json!("app_2"));
    has(&token().machine("m2m"), "sub", json!("m2m"));
    has(&token().expires_in(Duration::from_secs(5)), "exp", json!(1_000_005));
    has(&token().expired(), "exp", json!(996_400));
    has(&token().expired(), "iat", json!(992_800));
    has(&token().issued_at(Duration::from_secs(7)), "exp", json!(3607));
    has(&token().not_before(Duration::from_secs(8)), "nbf", json!(8));
    has(&token().claim("exp", "soon"), "exp", json!("soon"));
    has(&token().issuer("https://other"), "iss", json!("https://other"));
    has(&token().audience([API, "b"]), "aud", json!([API, "b"]));
    assert!(claims(&token().without_claim("exp")).get("exp").is_none());

    let (header, _) = parts(&token().typ("JWT").header("crit", ["b64"]).without_header("kid").mint());
    assert_eq!(header, json!({ "alg": "ES384", "typ": "JWT", "crit": ["b64"] }));
    let raw = token().raw_header("{}").raw_payload("[]").mint();
    assert!(raw.starts_with(&format!("{}.{}.", super::keys::encode("{}"), super::keys::encode("[]"))));

    let (header, _) = parts(&token().signed_with_unknown_key().mint());
    assert!(!issuer.kids().contains(&header["kid"].as_str().unwrap().to_owned()));
    assert_eq!(parts(&token().forged().mint()).0["kid"], issuer.signing_kid());
    let embedded = token().signed_with_embedded_key().mint();
    let mut jwk = parts(&embedded).0["jwk"].take();
    jwk["kid"] = parts(&embedded).0["kid"].take();
    assert!(verifies(&embedded, &json!({ "keys": [jwk] }).to_string()));
    let unsigned = token().unsigned().mint();
    assert!(parts(&unsigned).0["alg"] == "none" && unsigned.ends_with('.'));
}

#[tokio::test]
async fn rotation() {
    let issuer = TestIssuer::start().await;
    let mint = || issuer.resource_token(API).mint();
    let (first, old) = (issuer.signing_kid(), mint());

    issuer.rotate();
    let second = issuer.signing_kid();
    assert_eq!(issuer.kids(), [&*second, &*first]);
    assert!(verifies(&old, &issuer.jwks_json()) && verifies(&mint(), &issuer.jwks_json()));

    let third = issuer.announce();
    assert!(issuer.kids().contains(&third) && issuer.signing_kid() == second);
    issuer.switch();
    assert_eq!(issuer.signing_kid(), third);

    let before = mint();
    issuer.replace_key_keeping_kid();
    assert_eq!(issuer.signing_kid(), third);
    assert!(!verifies(&before, &issuer.jwks_json()) && verifies(&mint(), &issuer.jwks_json()));

    issuer.withdraw(&first);
    assert!(!verifies(&old, &issuer.jwks_json()));
    issuer.publish(json!({ "kty": "oct", "kid": "odd" }));
    issuer.rotate_to(Algorithm::Rs256);
    assert_eq!(issuer.kids(), [&*issuer.signing_kid(), &*third, &*second, "odd"]);
    assert!(verifies(&mint(), &issuer.jwks_json()));
    issuer.rotate_without_overlap();
    assert_eq!(issuer.kids(), [issuer.signing_kid()]);
    assert_eq!(parts(&mint()).0["alg"], "RS256");
}

#[tokio::test]
async fn releases_differ_in_the_keys_that_they_keep_and_in_the_type_of_id_tokens() {
    for (release, keys, typ) in [(LogtoRelease::V1_37, 2, json!("JWT")), (LogtoRelease::V1_42, 3, json!(null))] {
        let tenant = TestTenant::builder().release(release).start().await;
        let issuer = tenant.issuer();
        let mut minted = vec![issuer.resource_token(API).mint()];
        for _ in 0..4 {
            issuer.rotate();
            minted.insert(0, issuer.resource_token(API).mint());
        }
        let verified = minted.iter().map(|token| verifies(token, &issuer.jwks_json()));
        assert_eq!(verified.collect::<Vec<_>>(), (0..5).map(|age| age < keys).collect::<Vec<_>>(), "{release:?}");
        assert_eq!(parts(&issuer.id_token("app_1").mint()).0["typ"], typ, "{release:?}");
        // Whatever is announced, the key that signs is there.
        for _ in 0..4 {
            issuer.announce();
        }
        assert_eq!(issuer.kids().len(), keys);
        assert!(issuer.kids().contains(&issuer.signing_kid()));
    }
}

#[tokio::test]
async fn subject_token_is_exchanged_once_within_ten_minutes() {
    let tenant = TestTenant::start().await;
    tenant.add_resource(API, &["read"]);
    tenant.add_user("alice");
    let (token, late) = (tenant.subject_token("alice"), tenant.subject_token("alice"));
    let exchange = |token: &str, resource: &str| {
        let answer = tenant.exchange("web", token, &TokenRequest::resource(resource));
        answer.map(drop).map_err(|refused| refused.to_string())
    };
    let is_grant = |answer: Result<(), String>| answer.is_err_and(|refused| refused.contains("invalid_grant"));
    tenant.issuer().clock().advance(Duration::from_secs(599));
    assert!(exchange(&token, "https://unknown.example.com").is_err());
    assert_eq!(exchange(&token, API), Ok(()), "what was refused did not use it up");
    assert!(is_grant(exchange(&token, API)));
    tenant.issuer().clock().advance(Duration::from_secs(1));
    assert!(is_grant(exchange(&late, API)));
}

#[tokio::test]
async fn the_key_set_is_conditional_and_cacheable() {
    let issuer = TestIssuer::start().await;
    let first = get(&issuer.jwks_uri(), "").await;
    assert_eq!(header(&first, "cache-control"), Some("no-cache, max-age=0, must-revalidate"));
    let etag = header(&first, "etag").unwrap();
    issuer.cache_control("max-age=300");
    for condition in [etag.to_owned(), format!("\"other\", W/{etag}"), "*".to_owned()] {
        let second = get(&issuer.jwks_uri(), &format!("if-none-match: {condition}\r\n")).await;
        assert_eq!((status(&second), body(&second)), ("304", ""));
        assert_eq!(header(&second, "etag"), Some(etag));
        assert_eq!(header(&second, "cache-control"), Some("max-age=300"));
    }
    issuer.cache_control("");
    issuer.rotate();
    let third = get(&issuer.jwks_uri(), &format!("if-none-match: {etag}\r\n")).await;
    assert_eq!((status(&third), header(&third, "cache-control")), ("200", None));
    assert_eq!((issuer.requests(Endpoint::Keys), issuer.not_modified()), (5, 3));
    issuer.reset_counts();
    assert_eq!((issuer.requests(Endpoint::All), issuer.not_modified(), issuer.most_in_flight()), (0, 0, 0));
}

#[tokio::test]
async fn every_fault_can_be_seen() {
    let issuer = TestIssuer::start().await;
    let keys = issuer.jwks_uri();
    let meet = async |fault: Fault| {
        issuer.fail_next(Endpoint::Keys, fault);
        get(&keys, "").await
    };
    let right = issuer.jwks_json();
    let declared = |answer: &str| header(answer, "content-length").map(|length| length.parse::<usize>().unwrap());

    assert_eq!(status(&meet(Fault::Status(503)).await), "503");
    assert_eq!(status(&meet(Fault::Status(429)).await), "429");
    assert!(serde_json::from_str::<Value>(body(&meet(Fault::Garbage).await)).is_err());
    let empty = meet(Fault::Empty).await;
    assert_eq!((status(&empty), body(&empty)), ("200", ""));
    assert_eq!(body(&meet(Fault::Body("{}".to_owned())).await), "{}");
    let huge = meet(Fault::Huge).await;
    assert!(body(&huge).len() > 256 * 1024 && body(&huge).trim_end() == right);
    issuer.fail_next(Endpoint::Keys, Fault::Drip);
    let two_drops = "\r\n\r\n1\r\n \r\n1\r\n \r\n";
    let drip = receive(&keys, "", Duration::from_secs(30), |answer| answer.ends_with(two_drops)).await;
    assert!(declared(&drip).is_none() && drip.ends_with(two_drops));
    let reset = meet(Fault::Reset).await;
    assert_eq!((declared(&reset), body(&reset)), (Some(right.len()), &right[..right.len() / 2]));
    let redirect = meet(Fault::Redirect("http://127.0.0.1:1/".to_owned())).await;
    assert_eq!((status(&redirect), header(&redirect, "location")), ("302", Some("http://127.0.0.1:1/")));
    assert_eq!(body(&meet(Fault::NoKeys).await), r#"{"keys":[]}"#);
    let crowd: Value = serde_json::from_str(body(&meet(Fault::TooManyKeys(101)).await)).unwrap();
    assert_eq!(crowd["keys"].as_array().unwrap().len(), 101);
    issuer.fail_next(Endpoint::Keys, Fault::Hang);
    assert_eq!(receive(&keys, "", Duration::from_millis(200), |_| false).await, "");
    assert_eq!(body(&meet(Fault::Delay(Duration::from_millis(1))).await), right);
    assert_eq!(body(&meet(Fault::WrongIssuer).await), right);
    assert_eq!(body(&get(&keys, "").await), right, "each was met once");

    issuer.fail_always(Endpoint::All, Fault::WrongIssuer);
    let metadata = get(&format!("{}/.well-known/openid-configuration", issuer.url()), "").await;
    let metadata: Value = serde_json::from_str(body(&metadata)).unwrap();
    assert_eq!(metadata["issuer"], format!("{}/other", issuer.url()));
    issuer.fail_always(Endpoint::Keys, Fault::Status(500));
    assert_eq!(status(&get(&keys, "").await), "500");
    assert_eq!(status(&get(&keys, "").await), "500");
    issuer.recover();
    assert_eq!(status(&get(&keys, "").await), "200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_requests_wait_for_the_test() {
    let issuer = TestIssuer::start().await;
    issuer.fail_always(Endpoint::Keys, Fault::Hold);
    let waiting: Vec<_> = std::iter::repeat_with(|| {
        let url = issuer.jwks_uri();
        tokio::spawn(async move { get(&url, "").await })
    })
    .take(3)
    .collect();
    issuer.wait_for_requests(Endpoint::Keys, 3).await;
    assert_eq!(issuer.in_flight(), 3);
    issuer.release();
    for answer in waiting {
        assert_eq!(status(&answer.await.unwrap()), "200");
    }
    assert_eq!(issuer.most_in_flight(), 3);
}

#[tokio::test]
async fn down_and_up_again() {
    let issuer = TestIssuer::start().await;
    let keys = issuer.jwks_uri();
    issuer.fail_next(Endpoint::Keys, Fault::Hang);
    let host = keys.strip_prefix("http://").unwrap().split_once('/').unwrap().0;
    let mut open = TcpStream::connect(host).await.unwrap();
    open.write_all(b"GET /oidc/jwks HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    issuer.wait_for_requests(Endpoint::Keys, 1).await;

    issuer.take_down();
    assert!(matches!(timeout(Duration::from_secs(5), open.read(&mut [0])).await.unwrap(), Ok(0) | Err(_)));
    assert_eq!(issuer.in_flight(), 0);
    assert_eq!(get(&keys, "").await, "");
    assert_eq!(issuer.requests(Endpoint::Keys), 1);
    issuer.bring_up();
    assert_eq!(status(&get(&keys, "").await), "200");

    drop(issuer);
    assert_eq!(get(&keys, "").await, "");
}

#[test]
fn shared_between_threads() {
    fn assert_shared<T: Send + Sync + std::fmt::Debug>() {}
    assert_shared::<TestIssuer>();
    assert_shared::<TokenBuilder>();
    assert_shared::<TestClock>();
}
