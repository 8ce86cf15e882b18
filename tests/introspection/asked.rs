//! What is asked, of whom, and what is never asked.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use orgate::token::Introspection;
use orgate::{Issuer, ResourceServer};
use serde_json::json;

use crate::support::{API, Act, Api, ENDPOINT, World, introspection};

/// RFC 6749 section 2.3.1: decoded as a form is.
fn form_decoded(text: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(octets).unwrap()
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(body).unwrap();
    let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (form_decoded(name), form_decoded(value))).collect()
}

const CLIENT: &str = "api client:ü&=+%20";
const SPECIAL: &str = "s3:cr et/+&=%\u{1f511}\"";
const TOKEN: &str = "-._~+/abcXYZ0123456789==";

#[tokio::test]
async fn a_post_with_the_token_by_a_client_that_says_who_it_is() {
    for in_body in [false, true] {
        let ask = Introspection::new(ENDPOINT, CLIENT, SPECIAL);
        let world = World::of(if in_body { ask.client_secret_post() } else { ask }).await;
        world.endpoint.says(&world.answer(json!({})));
        // With dots it would be no opaque token.
        let token = TOKEN.replace('.', "");
        world.api.get("/api", &token).await.is(200, "");
        let asked = world.endpoint.asked();
        assert_eq!((asked.method().as_str(), &*asked.uri().to_string()), ("POST", ENDPOINT));
        assert_eq!(asked.headers()["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(asked.headers()["accept"], "application/json");
        let mut expected = vec![("token", &*token), ("token_type_hint", "access_token")];
        if in_body {
            expected.extend([("client_id", CLIENT), ("client_secret", SPECIAL)]);
            assert!(!asked.headers().contains_key("authorization"));
        } else {
            assert!(asked.headers()["authorization"].is_sensitive());
            let basic = asked.headers()["authorization"].to_str().unwrap().strip_prefix("Basic ").unwrap();
            let basic = String::from_utf8(BASE64_STANDARD.decode(basic).unwrap()).unwrap();
            let (id, secret) = basic.split_once(':').unwrap();
            assert_eq!((form_decoded(id), form_decoded(secret)), (CLIENT.to_owned(), SPECIAL.to_owned()));
        }
        let pairs = form(asked.body());
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, expected);
    }
}

#[tokio::test]
async fn a_jwt_is_never_sent_anywhere() {
    let world = World::start().await;
    let issuer = &world.issuer;
    let good = issuer.resource_token(API).scope("a").mint();
    for (token, status) in [
        (good.clone(), 200),
        (issuer.resource_token(API).forged().mint(), 401),
        (issuer.resource_token(API).expired().mint(), 401),
        (issuer.resource_token(API).issuer("https://elsewhere.example").mint(), 401),
        (issuer.id_token("web").mint(), 401),
        (format!("{good}.x.y"), 401),
        ("a.b".to_owned(), 401),
        ("a.b.c".to_owned(), 401),
        (".".to_owned(), 401),
        ("..".to_owned(), 401),
    ] {
        assert_eq!(world.api.get("/api", &token).await.status, status, "{token}");
    }
    // The same for what is no token, or too long for one.
    assert_eq!(world.api.get("/api", "not a token").await.status, 400);
    assert_eq!(world.api.get("/api", &"a".repeat(9000)).await.status, 401);
    assert_eq!(world.endpoint.count(), 0);
}

#[tokio::test]
async fn without_the_setting_opaque_tokens_are_rejected() {
    let world = World::configured(|builder| builder).await;
    let answer = world.api.get("/", "opaque").await;
    answer.is(401, "resource_token");
    assert!(answer.header("www-authenticate").contains("Request it with the resource parameter"));
    assert_eq!(world.endpoint.count(), 0);
}

#[tokio::test]
async fn whose_tokens_they_are_must_be_known() {
    let entry = |name: &str| Issuer::new(format!("https://{name}.example")).name(name);
    let asked = |name: &str| entry(name).introspection(introspection());
    let two = |one, two| ResourceServer::builder(one, API).issuer(two);
    let error = two(entry("one"), entry("two")).introspection(introspection()).build().unwrap_err().to_string();
    assert!(error.contains("set introspection on one of them"), "{error}");
    let error = two(asked("one"), asked("two")).build().unwrap_err().to_string();
    assert!(error.contains("\"one\" and \"two\""), "{error}");
    let server = two(entry("one"), asked("two")).build().unwrap();
    assert!(server.add_issuer(asked("three")).is_err());
    assert!(server.issuer("one").unwrap().update(asked("one")).is_err());
    server.issuer("two").unwrap().update(entry("two")).unwrap();
    assert!(server.add_issuer(asked("three")).is_ok());
}

#[tokio::test]
async fn another_issuer_s_token_is_no_token_of_this_one() {
    let world = World::start().await;
    world.server.add_issuer(Issuer::new("https://other.example").name("other")).unwrap();
    world.endpoint.says(&world.answer(json!({ "iss": "https://other.example" })));
    Api::of(&world.server).get("/api", "opaque").await.is(401, "authenticate");
    world.endpoint.says(&world.answer(json!({ "iss": null })));
    Api::of(&world.server).get("/api", "another").await.is(200, "");
}

#[tokio::test]
async fn settings_that_must_not_run() {
    let fault = |ask: Introspection| {
        let built = ResourceServer::builder("https://issuer.example", API).introspection(ask).build();
        built.map(|_| ()).unwrap_err().to_string()
    };
    let seconds = std::time::Duration::from_secs;
    for (ask, expected) in [
        (Introspection::new("http://issuer.example/x", "api", "secret"), "introspection endpoint"),
        (Introspection::new("/x", "api", "secret"), "introspection endpoint"),
        (Introspection::new("https://user:pass@issuer.example/x", "api", "secret"), "introspection endpoint"),
        (Introspection::new(ENDPOINT, "", "secret"), "an empty id or secret"),
        (Introspection::new(ENDPOINT, "api", ""), "an empty id or secret"),
        (introspection().keep(seconds(301)), "keep 301s"),
        (introspection().keep_refusals(seconds(301)), "keep_refusals 301s"),
        (introspection().at_once(0), "at_once 0"),
    ] {
        let error = fault(ask);
        assert!(error.contains(expected), "{error} should say {expected}");
        assert!(!error.contains("pass@") && !error.contains("s3cret"), "{error}");
    }
    let plain = Introspection::new("http://issuer.example/x", "api", "secret");
    let builder = ResourceServer::builder("https://issuer.example", API).introspection(plain);
    assert!(builder.dangerous_allow_http().build().is_ok());
}

#[tokio::test]
async fn nothing_secret_is_printed_or_logged() {
    let log = crate::log::Log::of_everything();
    let world = World::of(Introspection::new(ENDPOINT, CLIENT, crate::support::SECRET)).await;
    for (number, act) in [
        Act::Says(200, world.answer(json!({})).to_string()),
        Act::Says(200, world.answer(json!({ "sub": "subject-4711", "scope": "only:token" })).to_string()),
        Act::Says(200, r#"{"active":false}"#.to_owned()),
        Act::Says(401, r#"{"error":"invalid_client"}"#.to_owned()),
        Act::Says(200, "<html>opaque-4711</html>".to_owned()),
        Act::Fails,
        Act::Panics,
    ]
    .into_iter()
    .enumerate()
    {
        world.endpoint.act(act);
        for path in ["/", "/api/a", "/own/acme"] {
            world.api.get(path, &format!("opaque-4711-{number}")).await;
        }
    }
    let printed = format!("{:?} {:?} {:?}", world.server, introspection(), log.text());
    let basic = BASE64_STANDARD.encode("api:s3cret");
    for secret in ["4711", "only:token", crate::support::SECRET, &basic[..10], "Basic "] {
        assert!(!printed.contains(secret), "{secret}: {printed}");
    }
    assert!(log.text().contains("introspection: status 401"), "{}", log.text());
}
