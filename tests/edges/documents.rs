//! What issuers publish, as their servers, caches and editors make it.

use orgate::issuer::Algorithm;
use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::{Issuer, ResourceServer};
use serde_json::{Value, json};

use crate::support::{API, api, get, json_answer, keys_of, last_error, metadata, origin, publishing};

async fn rsa() -> TestIssuer {
    TestIssuer::builder().algorithm(Algorithm::Rs256).start().await
}

/// The status of a request with a token of the issuer that publishes `document`, and why its keys were rejected.
async fn with_document(document: String, without_kid: bool, issuer: &TestIssuer) -> (u16, Option<String>) {
    let url = publishing(document, vec![]).await;
    let server = ResourceServer::builder(url.as_str(), API).build().unwrap();
    let mut token = issuer.resource_token(API).issuer(url);
    if without_kid {
        token = token.without_header("kid");
    }
    (get(&api(&server), "/", &token.mint()).await.as_u16(), last_error(&server))
}

#[tokio::test]
async fn null_members_of_a_key_are_absent() {
    let issuer = rsa().await;
    for names in [&["d", "p", "q", "dp", "dq", "qi"][..], &["alg"], &["x5c", "x5t", "x5u", "use", "key_ops"], &["kid"]]
    {
        let mut key = keys_of(&issuer)[0].clone();
        names.iter().for_each(|name| key[*name] = Value::Null);
        let set = json!({ "keys": [key] }).to_string();
        let (status, error) = with_document(set, names == ["kid"], &issuer).await;
        assert_eq!(status, 200, "{names:?}: {error:?}");
    }
}

#[tokio::test]
async fn an_odd_key_beside_good_ones_is_skipped() {
    let issuer = rsa().await;
    let good = keys_of(&issuer)[0].clone();
    for odd in [
        json!({ "kty": "RSA", "kid": "old", "n": "AQAB", "e": "AQAB", "d": null }),
        json!({ "kty": "RSA", "kid": null, "n": null, "e": null }),
        json!({ "kty": null }),
    ] {
        let (status, error) = with_document(json!({ "keys": [good, odd] }).to_string(), false, &issuer).await;
        assert_eq!(status, 200, "{odd}: {error:?}");
    }
}

#[test]
fn an_issuer_that_is_never_fetched_may_be_any_name() {
    let keys = "https://adfs.example.com/adfs/discovery/keys";
    // AD FS, Kubernetes before 1.20, old Google tokens, a URN (RFC 7519 section 2: StringOrURI).
    for iss in [
        "http://adfs.example.com/adfs/services/trust",
        "kubernetes/serviceaccount",
        "accounts.google.com",
        "urn:example:sts",
    ] {
        let issuer = Issuer::new(iss).jwks_uri(keys).untyped_jwt();
        assert!(ResourceServer::builder(issuer, API).build().is_ok(), "{iss} with jwks_uri");
        let issuer = Issuer::new("https://adfs.example.com/adfs").alias(iss).untyped_jwt();
        assert!(ResourceServer::builder(issuer, API).build().is_ok(), "{iss} as alias");
        // Discovery has nowhere to go.
        assert!(ResourceServer::builder(Issuer::new(iss).untyped_jwt(), API).build().is_err(), "{iss} alone");
    }
}

#[tokio::test]
async fn any_4xx_on_one_well_known_path_leads_to_the_other() {
    let issuer = rsa().await;
    for status in [404, 400, 401, 403, 405, 406, 410] {
        let set = issuer.jwks_json();
        let url = origin(move |base, path| match path {
            "/.well-known/oauth-authorization-server" => metadata(base),
            "/jwks" => (200, vec![], set.clone().into_bytes()),
            _ => (status, vec![], b"no".to_vec()),
        })
        .await;
        let server = ResourceServer::builder(url.as_str(), API).build().unwrap();
        let token = issuer.resource_token(API).issuer(url).mint();
        assert_eq!(get(&api(&server), "/", &token).await, 200, "{status}: {:?}", last_error(&server));
    }
}

#[tokio::test]
async fn an_error_names_both_addresses_that_were_asked() {
    let url = origin(|_, _| (404, vec![], vec![])).await;
    let server = ResourceServer::builder(url.as_str(), API).build().unwrap();
    server.ready().await.unwrap_err();
    let error = last_error(&server).unwrap();
    assert!(error.contains("openid-configuration") && error.contains("oauth-authorization-server"), "{error}");
}

#[tokio::test]
async fn a_compressed_key_set_is_read() {
    use std::io::Write as _;
    let issuer = rsa().await;
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zipped.write_all(issuer.jwks_json().as_bytes()).unwrap();
    let url = publishing(zipped.finish().unwrap(), vec![("content-encoding", "gzip".to_owned())]).await;
    let server = ResourceServer::builder(url.as_str(), API).build().unwrap();
    let token = issuer.resource_token(API).issuer(url).mint();
    assert_eq!(get(&api(&server), "/", &token).await, 200, "{:?}", last_error(&server));
}

#[tokio::test]
async fn a_byte_order_mark_before_a_key_set_is_skipped() {
    let issuer = rsa().await;
    let (status, error) = with_document(format!("\u{feff}{}", issuer.jwks_json()), false, &issuer).await;
    assert_eq!(status, 200, "{error:?}");
}

#[tokio::test]
async fn an_error_tells_what_arrived_instead_of_a_key_set() {
    let mut told = Vec::new();
    for (document, kind) in [
        ("<!doctype html><title>Sign in</title>", "text/html"),
        ("", "application/json"),
        ("[]", "application/json"),
        (r#"{"keys":[],"keys":[]}"#, "application/json"),
    ] {
        let url = publishing(document, vec![("content-type", kind.to_owned())]).await;
        let server = ResourceServer::builder(url.as_str(), API).build().unwrap();
        server.ready().await.unwrap_err();
        told.push(last_error(&server).unwrap().split_once("/jwks").unwrap().1.to_owned());
    }
    let count = told.len();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), count, "{told:#?}");
}

#[tokio::test]
async fn the_age_in_a_cache_is_part_of_the_lifetime() {
    let issuer = rsa().await;
    let headers = vec![("cache-control", "public, max-age=86400".to_owned()), ("age", "86000".to_owned())];
    let url = publishing(issuer.jwks_json(), headers).await;
    let server = ResourceServer::builder(url.as_str(), API).build().unwrap();
    server.ready().await.unwrap();
    let next = server.keys()[0].next_refresh().unwrap();
    assert!(next.as_secs() <= 400, "400 s are left, and the next refresh is in {next:?}");
}

#[tokio::test]
async fn a_key_whose_private_half_was_published_stops_working() {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).build().unwrap();
    server.ready().await.unwrap();
    let app = api(&server);
    assert_eq!(get(&app, "/", &issuer.resource_token(API).mint()).await, 200);
    let mut set: Value = serde_json::from_str(&issuer.jwks_json()).unwrap();
    set["keys"][0]["d"] = "AAAA".into();
    issuer.fail_always(Endpoint::Keys, Fault::Body(set.to_string()));
    refresh(&server).await;
    assert_ne!(get(&app, "/", &issuer.resource_token(API).subject("root").mint()).await, 200, "at once");
    // The same later, and when it is published without it again.
    issuer.recover();
    refresh(&server).await;
    issuer.clock().advance(std::time::Duration::from_secs(23 * 3600));
    refresh(&server).await;
    assert_ne!(get(&app, "/", &issuer.resource_token(API).subject("root").mint()).await, 200, "23 h later");
}

async fn refresh(server: &ResourceServer) {
    let name = server.keys()[0].issuer_name().to_owned();
    _ = server.issuer(&name).unwrap().refresh_keys().await;
}

/// Written in Go, what is absent is null.
#[tokio::test]
async fn null_members_of_an_introspection_response_are_absent() {
    use orgate::policy::authenticated;
    use orgate::token::Introspection;
    for name in ["aud", "nbf", "iat", "scope", "jti", "username", "client_id"] {
        let set = rsa().await.jwks_json();
        let url = origin(move |base, path| match path {
            "/.well-known/openid-configuration" => metadata(base),
            "/introspect" => {
                let mut answer = json!({
                    "active": true, "sub": "u1", "client_id": "app", "scope": "read", "token_type": "Bearer",
                    "exp": 4_102_444_800_u64,
                });
                answer[name] = Value::Null;
                json_answer(&answer)
            }
            _ => (200, vec![], set.clone().into_bytes()),
        })
        .await;
        let ask =
            Introspection::new(format!("{url}/introspect"), "api", "secret").dangerous_introspection_without_audience();
        let server = ResourceServer::builder(url.as_str(), API).introspection(ask).build().unwrap();
        let app = server.guard().get("/", async || "ok", authenticated()).into_router().unwrap();
        assert_eq!(get(&app, "/", "opaque").await, 200, "{name}");
    }
}
