//! Tokens: header, claims and signature. None passes without a signature by the issuer's key over exactly these bytes, and
//! what passes is what another reading of the same JSON says.

use std::sync::LazyLock;

use orgate::{AccessToken, ResourceServer};
use serde_json::{Map, Value};

use crate::json::{number, object, text};
use crate::world::{API, ISSUER, Key, LEEWAY, NOW, at_once, encode, server};

static SERVER: LazyLock<ResourceServer> = LazyLock::new(|| server().build().unwrap());
static KEYS: LazyLock<[Key; 2]> = LazyLock::new(|| [Key::of_issuer(), Key::of_stranger()]);

/// The first byte says who signs, and what is done to the token. The header is the first line, the claims are the rest.
pub(crate) fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (header, claims) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
    let (token, is_signed) = match how {
        b'!' => (KEYS[1].sign(header, claims), false),
        b'-' => (format!("{}.{}.", encode(header), encode(claims)), false),
        b'#' => (tampered(&KEYS[0].sign(header, claims)), false),
        // As it stands: its writer has no key.
        b'=' => match std::str::from_utf8(rest) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => return,
        },
        _ => (KEYS[0].sign(header, claims), true),
    };
    let outcome = at_once(SERVER.verify(&token));
    match outcome {
        Ok(verified) => {
            assert!(is_signed, "passed without a signature: {token}");
            let header = object(header).expect("one object with unique members");
            let claims = object(claims).expect("one object with unique members");
            check_header(&header);
            check_claims(&claims);
            check_reading(&verified, &claims);
            // From the cache it is the same.
            assert_eq!(at_once(SERVER.verify(&token)).unwrap().subject(), verified.subject());
        }
        Err(rejection) => {
            assert!((400..=401).contains(&rejection.status().as_u16()), "{rejection:?}");
            assert!(format!("{rejection:?}").len() < 16 * 1024);
        }
    }
}

/// The payload becomes another one, the signature stays.
fn tampered(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    format!("{header}.{payload}AAAA.{signature}")
}

fn check_header(header: &Map<String, Value>) {
    assert!(matches!(text(header, "alg"), Some("EdDSA" | "Ed25519")), "{header:?}");
    // Without a name, the only key of the set fits.
    assert!(!header.contains_key("kid") || text(header, "kid") == Some("k"), "{header:?}");
    let typ = text(header, "typ").unwrap().to_ascii_lowercase();
    assert!(matches!(&*typ, "at+jwt" | "application/at+jwt"), "{header:?}");
    assert!(["crit", "enc", "zip", "b64"].iter().all(|name| !header.contains_key(*name)), "{header:?}");
}

#[allow(clippy::cast_precision_loss, reason = "seconds")]
fn check_claims(claims: &Map<String, Value>) {
    let now = NOW as f64;
    assert_eq!(text(claims, "iss"), Some(ISSUER));
    assert!(number(claims, "exp").unwrap() > now - LEEWAY, "{claims:?}");
    assert!(number(claims, "iat").unwrap() <= now + LEEWAY, "{claims:?}");
    assert!(!claims.contains_key("nbf") || number(claims, "nbf").unwrap() <= now + LEEWAY, "{claims:?}");
    let audience: Vec<&str> = match &claims["aud"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().map(|value| value.as_str().unwrap()).collect(),
        other => panic!("{other:?}"),
    };
    // A token for an organization is one of this API, too.
    let is_for_us = |audience: &&str| *audience == API || audience.starts_with("urn:logto:organization:");
    assert!(audience.iter().any(is_for_us), "{claims:?}");
    for required in ["sub", "client_id"] {
        assert!(!text(claims, required).unwrap().is_empty(), "{claims:?}");
    }
}

fn check_reading(token: &AccessToken, claims: &Map<String, Value>) {
    assert_eq!(token.issuer(), ISSUER);
    assert_eq!(Some(token.subject().id()), text(claims, "sub"));
    assert_eq!(token.client_id(), text(claims, "client_id"));
    assert_eq!(token.token_id(), text(claims, "jti"));
    assert_eq!(token.organization_claim(), text(claims, "organization_id"));
    let stated = text(claims, "scope").unwrap_or_default();
    for scope in token.scopes() {
        assert!(stated.split(' ').any(|word| word == scope), "{scope:?} in {stated:?}");
    }
    assert_eq!(token.is_sender_constrained(), claims.contains_key("cnf"));
}
