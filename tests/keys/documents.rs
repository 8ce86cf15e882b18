//! Documents as other servers really write them, and what is said of those that cannot be used.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::{Issuer, ResourceServer};
use serde_json::{Value, json};

use crate::log::Log;
use crate::support::{API, Api, FAILED, builder, origin, pass, token};

/// An issuer whose key set is this document, byte by byte, with these headers.
async fn publishing(document: impl Into<Vec<u8>>, headers: &[(&'static str, &'static str)]) -> String {
    let (document, headers) = (document.into(), headers.to_vec());
    origin(move |base, path| match path {
        "/.well-known/openid-configuration" => metadata(base),
        "/jwks" => (200, headers.clone(), document.clone()),
        _ => (404, Vec::new(), Vec::new()),
    })
    .await
}

fn metadata(base: &str) -> (u16, Vec<(&'static str, &'static str)>, Vec<u8>) {
    (200, Vec::new(), json!({ "issuer": base, "jwks_uri": format!("{base}/jwks") }).to_string().into_bytes())
}

fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn last_error(server: &ResourceServer) -> String {
    server.keys()[0].last_error().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn compressed_set_and_one_with_a_byte_order_mark_are_read() {
    let issuer = TestIssuer::start().await;
    let set = issuer.jwks_json();
    for (document, headers) in [
        (zipped(&set), &[("content-encoding", "gzip")][..]),
        (format!("\u{feff}{set}").into_bytes(), &[]),
        (zipped(&format!("\u{feff}{set}")), &[("content-encoding", "x-gzip")]),
    ] {
        let url = publishing(document, headers).await;
        let server = ResourceServer::builder(url.as_str(), API).clock(issuer.clock()).build().unwrap();
        let token = issuer.resource_token(API).issuer(url).mint();
        assert!(Api::of(&server).get(&token).await.is_ok(), "{headers:?}: {}", last_error(&server));
    }
}

#[tokio::test]
async fn reason_says_what_came() {
    let bomb = zipped(&" ".repeat(1024 * 1024));
    let mut said = Vec::new();
    for (document, headers, reason) in [
        (b"<!doctype html><title>Sign in</title>".to_vec(), &[][..], "HTML"),
        (Vec::new(), &[], "empty"),
        (b"[]".to_vec(), &[], "array"),
        (br#"{"keys":[],"keys":[]}"#.to_vec(), &[], "unique member names"),
        (zipped("{}"), &[], "compressed"),
        (b"x".to_vec(), &[("content-encoding", "br")], "\"br\""),
        (bomb, &[("content-encoding", "gzip")], "more than 262144 bytes"),
    ] {
        let url = publishing(document, headers).await;
        let server = ResourceServer::builder(url.as_str(), API).build().unwrap();
        server.ready().await.unwrap_err();
        let error = last_error(&server);
        assert!(error.contains(reason) && error.contains("/jwks"), "{error}");
        said.push(error.split_once("/jwks: ").unwrap().1.to_owned());
    }
    said.sort();
    said.dedup();
    assert_eq!(said.len(), 7, "{said:#?}");
}

#[tokio::test]
async fn null_member_is_absent_beside_other_keys_too() {
    let issuer = TestIssuer::start().await;
    let mut set: Value = serde_json::from_str(&issuer.jwks_json()).unwrap();
    for name in ["d", "alg", "use", "key_ops", "x5c", "x5t", "x5u"] {
        set["keys"][0][name] = Value::Null;
    }
    set["keys"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "kty": "RSA", "kid": "old", "n": "AQAB", "e": "AQAB", "d": null }));
    set["keys"].as_array_mut().unwrap().push(Value::Null);
    let url = origin(move |base, path| match path {
        "/.well-known/openid-configuration" => {
            let document = json!({ "issuer": base, "jwks_uri": format!("{base}/jwks"), "scopes_supported": null });
            (200, Vec::new(), document.to_string().into_bytes())
        }
        _ => (200, Vec::new(), set.to_string().into_bytes()),
    })
    .await;
    let server = ResourceServer::builder(url.as_str(), API).clock(issuer.clock()).build().unwrap();
    let token = issuer.resource_token(API).issuer(url).mint();
    assert!(Api::of(&server).get(&token).await.is_ok(), "{}", last_error(&server));
    let nobody =
        origin(|base, _| (200, Vec::new(), json!({ "issuer": null, "jwks_uri": base }).to_string().into())).await;
    let server = ResourceServer::builder(nobody.as_str(), API).build().unwrap();
    server.ready().await.unwrap_err();
    assert!(last_error(&server).contains("issuer is None"), "{}", last_error(&server));
}

#[tokio::test]
async fn set_that_was_in_a_cache_is_as_old_as_it_is() {
    let issuer = TestIssuer::start().await;
    let url = publishing(issuer.jwks_json(), &[("cache-control", "public, max-age=86400"), ("age", "86000")]).await;
    let server = ResourceServer::builder(url.as_str(), API).build().unwrap();
    server.ready().await.unwrap();
    let next = server.keys()[0].next_refresh().unwrap();
    assert!(next <= Duration::from_secs(400), "400 s are left, and the next refresh is in {next:?}");
}

#[tokio::test]
async fn any_4xx_but_429_on_one_form_of_the_metadata_tries_the_other() {
    let issuer = TestIssuer::start().await;
    for status in [400, 401, 403, 404, 405, 406, 410, 429, 500, 503] {
        let set = issuer.jwks_json();
        let url = origin(move |base, path| match path {
            "/.well-known/oauth-authorization-server" => metadata(base),
            "/jwks" => (200, Vec::new(), set.clone().into_bytes()),
            _ => (status, Vec::new(), b"no".to_vec()),
        })
        .await;
        let server = ResourceServer::builder(url.as_str(), API).clock(issuer.clock()).build().unwrap();
        let token = issuer.resource_token(API).issuer(url).mint();
        let tries = (400..500).contains(&status) && status != 429;
        assert_eq!(Api::of(&server).get(&token).await.is_ok(), tries, "{status}: {}", last_error(&server));
    }
}

#[tokio::test]
async fn error_names_every_address_that_was_asked() {
    let url = origin(|_, path| (if path.contains("openid") { 403 } else { 410 }, Vec::new(), Vec::new())).await;
    let server = ResourceServer::builder(url.as_str(), API).build().unwrap();
    server.ready().await.unwrap_err();
    let error = last_error(&server);
    for part in ["openid-configuration: status 403", "oauth-authorization-server: status 410"] {
        assert!(error.contains(part), "{error}");
    }
}

/// The key set of the issuer with the private member `d` in its keys.
fn exposed(issuer: &TestIssuer) -> String {
    let mut set: Value = serde_json::from_str(&issuer.jwks_json()).unwrap();
    for key in set["keys"].as_array_mut().unwrap() {
        key["d"] = "AAAA".into();
    }
    set.to_string()
}

fn joined(one: &str, other: &str) -> String {
    let keys = |set: &str| serde_json::from_str::<Value>(set).unwrap()["keys"].as_array().unwrap().clone();
    let all = [keys(one), keys(other)].concat();
    json!({ "keys": all }).to_string()
}

#[tokio::test]
async fn published_private_key_is_dropped_at_once_and_never_used_again() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    let server = builder(&issuer).build().unwrap();
    let (api, leaked) = (Api::of(&server), token(&issuer));
    assert!(api.get(&leaked).await.is_ok());
    let (clean, exposed) = (issuer.jwks_json(), exposed(&issuer));
    issuer.rotate();
    let good = token(&issuer);

    // The private key, and another one that is good.
    let rest: Value = serde_json::from_str(&issuer.jwks_json()).unwrap();
    issuer.fail_next(Endpoint::Keys, Fault::Body(joined(&exposed, &rest.to_string())));
    server.issuer(issuer.url()).unwrap().refresh_keys().await.unwrap();
    assert_eq!(api.get(&leaked).await.status, 401, "a token that was remembered as verified");
    assert!(api.get(&good).await.is_ok(), "the rest of the set is used");
    assert!(log.contains("ERROR") && log.contains("private keys"), "it is said loudly");
    let exported = server.issuer(issuer.url()).unwrap().export_keys().unwrap().unwrap();
    assert!(!exported.contains("\"d\""), "{exported}");

    // Published again as if nothing had been.
    issuer.fail_next(Endpoint::Keys, Fault::Body(joined(&clean, &issuer.jwks_json())));
    server.issuer(issuer.url()).unwrap().refresh_keys().await.unwrap();
    assert_eq!(api.get(&leaked).await.status, 401);
    assert!(api.get(&good).await.is_ok());
    let kid = serde_json::from_str::<Value>(&clean).unwrap()["keys"][0]["kid"].as_str().unwrap().to_owned();
    assert!(
        !server.issuer(issuer.url()).unwrap().export_keys().unwrap().unwrap().contains(&kid),
        "nor does a seed bring it back"
    );

    // The settings of the entry cannot, either.
    let pinned = Issuer::new(issuer.url()).jwks_json(&clean);
    let error = server.issuer(issuer.url()).unwrap().update(pinned).unwrap_err().to_string();
    assert!(error.contains("private half"), "{error}");
    assert_eq!(api.get(&leaked).await.status, 401);

    // From the configuration it is an error.
    for entry in [Issuer::new(issuer.url()).seed_keys(&exposed), Issuer::new(issuer.url()).jwks_json(&exposed)] {
        let error = ResourceServer::builder(entry, API).build().unwrap_err().to_string();
        assert!(error.contains("private key"), "{error}");
    }
}

#[tokio::test]
async fn private_key_alone_takes_the_held_key_away_though_the_set_is_empty() {
    let issuer = TestIssuer::start().await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let watcher =
        move |_: &str, event: &orgate::issuer::keys::KeyEvent| seen.lock().unwrap().push(format!("{event:?}"));
    let server = builder(&issuer).on_key_event(watcher).build().unwrap();
    let (api, leaked) = (Api::of(&server), token(&issuer));
    assert!(api.get(&leaked).await.is_ok());
    issuer.fail_next(Endpoint::Keys, Fault::Body(exposed(&issuer)));
    server.issuer(issuer.url()).unwrap().refresh_keys().await.unwrap_err();
    assert_eq!(api.get(&leaked).await.status, 401);
    assert!(events.lock().unwrap().iter().any(|event| event.starts_with("PrivateKeyPublished")));
}

#[tokio::test]
async fn set_without_a_usable_key_is_a_glitch_at_first_and_then_believed() {
    let (issuer, log) = (TestIssuer::start().await, Log::start());
    let server = builder(&issuer).build().unwrap();
    let (api, good) = (Api::of(&server), token(&issuer));
    assert!(api.get(&good).await.is_ok());
    issuer.fail_always(Endpoint::Keys, Fault::NoKeys);
    issuer.fail_next(Endpoint::Keys, Fault::Body(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#.to_owned()));
    pass(&issuer.clock(), 530);
    for fetches in 1..=3 {
        assert!(api.get(&good).await.is_ok(), "fetch {fetches}");
        log.wait_for(FAILED, fetches).await;
        assert!(log.contains("no usable key"));
        if fetches < 3 {
            assert!(api.get(&good).await.is_ok(), "the old set stays at first");
            pass(&issuer.clock(), 34);
        }
    }
    log.wait_for("withdrawn", 1).await;
    let gone = api.get(&good).await;
    assert!(gone.is_503(), "the keys are gone, and that is no storm of refreshes");
    assert_eq!(server.issuer(issuer.url()).unwrap().export_keys().unwrap(), None);
    issuer.recover();
    pass(&issuer.clock(), 34);
    assert!(api.get(&good).await.is_ok());
}
