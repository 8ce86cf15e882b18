//! Answers to introspection: an opaque token passes only if another reading of the answer says that it is active, of this
//! issuer, for this API, and alive.

use orgate::policy::{authenticated, resource};
use orgate::token::Introspection;
use serde_json::Value;

use crate::canned::Canned;
use crate::json::{object, text};
use crate::world::{API, ISSUER, LEEWAY, NOW, in_time, request, server};

/// The first byte is the status.
pub(crate) fn run(data: &[u8]) {
    let (client, status, body) = Canned::of(data);
    let ask = Introspection::new("https://issuer.example/introspect", "api", "secret");
    let server = server().introspection(ask).http_client(client.client()).build().unwrap();
    let outcomes = in_time(async {
        let mut outcomes = Vec::new();
        for policy in [authenticated(), resource()] {
            let mut parts = request("GET", "/", Some("Bearer opaque"));
            outcomes.push(server.requirement(policy).unwrap().authorize(&mut parts).await);
        }
        outcomes
    });
    for grant in outcomes.into_iter().flatten() {
        assert_eq!(status, 200);
        check(&body);
        let token = grant.token().expect("a token");
        let answer = object(&body).unwrap();
        assert_eq!(Some(token.subject().id()), text(&answer, "sub"));
        assert_eq!(token.issuer(), ISSUER);
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds")]
fn check(body: &[u8]) {
    let mut answer = object(body).expect("one object with unique members");
    // A member that is null is absent, unless it restricts the token.
    answer.retain(|name, value| !value.is_null() || matches!(&**name, "cnf" | "act"));
    assert_eq!(answer.get("active"), Some(&Value::Bool(true)));
    assert!(text(&answer, "iss").is_none_or(|issuer| issuer == ISSUER));
    assert!(text(&answer, "token_type").unwrap().eq_ignore_ascii_case("bearer"), "{answer:?}");
    assert!(!answer.contains_key("cnf") && !answer.contains_key("act"), "{answer:?}");
    let audience = answer.get("aud").expect("an audience");
    let is_for_us = audience == API || audience.as_array().is_some_and(|all| all.iter().any(|one| one == API));
    assert!(is_for_us, "{answer:?}");
    let now = NOW as f64;
    for (name, is_fine) in [
        ("exp", (now - LEEWAY)..f64::INFINITY),
        ("nbf", f64::NEG_INFINITY..(now + LEEWAY + 1.0)),
        ("iat", f64::NEG_INFINITY..(now + LEEWAY + 1.0)),
    ] {
        assert!(answer.get(name).is_none_or(|value| is_fine.contains(&value.as_f64().unwrap())), "{answer:?}");
    }
}
