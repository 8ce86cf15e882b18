//! DPoP proofs: none passes that the bound key did not sign for this method, this URL, this token and about now.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use orgate::engine::Requirement;
use orgate::future::BoxFuture;
use orgate::policy::resource;
use orgate::token::binding::{Dpop, ProofUse, ReplayStore, ReplayStoreError};
use serde_json::{Map, Value, json};

use crate::json::{number, object, text};
use crate::world::{Key, LEEWAY, NOW, at_once, encode, replaced, request, server, sha256, token};

/// Each use is the first: what is compared here is the proof itself.
struct Forgetful;

impl ReplayStore for Forgetful {
    fn record<'a>(&'a self, _: &'a ProofUse) -> BoxFuture<'a, Result<Option<String>, ReplayStoreError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

struct World {
    requirement: Requirement,
    token: String,
    digest: String,
    keys: [Key; 2],
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let dpop = Dpop::new("https://api.example.com").replay_store(Forgetful);
    let requirement = server().dpop(dpop).build().unwrap().requirement(resource().dpop()).unwrap();
    let keys = [Key::of_client(), Key::of_stranger()];
    let token = token(&json!({ "cnf": { "jkt": keys[0].thumbprint() } }));
    World { requirement, digest: encode(sha256(token.as_bytes())), token, keys }
});

/// The first byte says who signs, the header is the first line, the claims are the rest. `$K` stands for the key that the
/// token is bound to, `$A` for the digest of the token.
pub(crate) fn run(data: &[u8]) {
    let world = &*WORLD;
    let data = replaced(data, b"$K", world.keys[0].jwk().to_string().as_bytes());
    let data = replaced(&data, b"$A", world.digest.as_bytes());
    let Some((how, rest)) = data.split_first() else { return };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (header, claims) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
    let (proof, is_signed) = match how {
        b'!' => (world.keys[1].sign(header, claims), false),
        b'-' => (format!("{}.{}.", encode(header), encode(claims)), false),
        b'=' => (String::from_utf8_lossy(rest).into_owned(), false),
        _ => (world.keys[0].sign(header, claims), true),
    };
    let Ok(proof) = HeaderValue::try_from(proof) else { return };
    let mut parts = request("GET", "/orders/1?q=2", Some(&format!("DPoP {}", world.token)));
    parts.headers.insert("dpop", proof);
    if at_once_or_boxed(&mut parts) {
        assert!(is_signed, "a proof passed that the key did not sign");
        check(&object(header).expect("an object"), &object(claims).expect("an object"), world);
    }
}

fn at_once_or_boxed(parts: &mut http::request::Parts) -> bool {
    at_once(WORLD.requirement.authorize(parts)).is_ok()
}

#[allow(clippy::cast_precision_loss, reason = "seconds")]
fn check(header: &Map<String, Value>, claims: &Map<String, Value>, world: &World) {
    let typ = text(header, "typ").unwrap().to_ascii_lowercase();
    assert!(matches!(&*typ, "dpop+jwt" | "application/dpop+jwt"), "{header:?}");
    assert!(matches!(text(header, "alg"), Some("EdDSA" | "Ed25519")), "{header:?}");
    let jwk = header["jwk"].as_object().unwrap();
    let x = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    assert_eq!(x(text(jwk, "x").unwrap()), x(&world.keys[0].x()));
    assert!(!jwk.contains_key("d"), "{header:?}");
    assert_eq!(text(claims, "htm"), Some("GET"));
    assert_eq!(text(claims, "ath"), Some(&*world.digest));
    let id = text(claims, "jti").unwrap();
    assert!(!id.is_empty() && id.len() <= 128);
    let age = NOW as f64 - number(claims, "iat").unwrap();
    assert!((-LEEWAY..=60.0 + 300.0 + LEEWAY).contains(&age), "{claims:?}");
    assert!(number(claims, "exp").is_none_or(|end| end > NOW as f64 - LEEWAY), "{claims:?}");
    assert_target(text(claims, "htu").unwrap());
}

/// RFC 9449 section 4.3, item 9, with the normalization of RFC 3986 done by hand: everything is spelled out first.
fn assert_target(htu: &str) {
    let stated = htu.split(['?', '#']).next().unwrap();
    let (scheme, rest) = stated.split_once("://").unwrap();
    assert!(scheme.eq_ignore_ascii_case("https"), "{htu}");
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = authority.strip_suffix(":443").or_else(|| authority.strip_suffix(':')).unwrap_or(authority);
    let authority = authority.to_ascii_lowercase();
    // A port may have zeros in front.
    let host = authority.split(':').next().unwrap();
    assert_eq!(host, "api.example.com", "{htu}");
    assert!(authority.split(':').nth(1).is_none_or(|port| port.parse() == Ok(443_u16)), "{htu}");
    let mut kept: Vec<String> = Vec::new();
    for segment in path.split('/').skip(1) {
        let segment = unescaped(segment);
        match &*segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    assert_eq!(kept, ["orders", "1"], "{htu}");
}

fn unescaped(segment: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
        out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
    }
    String::from_utf8_lossy(&out).into_owned()
}
