//! One issuer, its key, and servers that trust it. Nothing here waits for a network or reads a clock.

use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use http::request::Parts;
use orgate::server::Builder;
use orgate::time::{Clock, Now};
use orgate::{AccessToken, Issuer, ResourceServer};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://issuer.example/oidc";
pub(crate) const API: &str = "https://api.example.com";
pub(crate) const NOW: u64 = 1_800_000_000;
/// The default.
pub(crate) const LEEWAY: f64 = 60.0;

/// The hands do not move.
pub(crate) struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Now {
        Now::new(Duration::from_secs(NOW), Duration::from_secs(1_000_000))
    }
}

/// A key, the same in every run.
pub(crate) struct Key(Ed25519KeyPair);

impl Key {
    /// The issuer's.
    pub(crate) fn of_issuer() -> Self {
        Self::of(1)
    }

    /// One that nobody trusts.
    pub(crate) fn of_stranger() -> Self {
        Self::of(2)
    }

    /// A client's, by which it signs proofs.
    pub(crate) fn of_client() -> Self {
        Self::of(3)
    }

    fn of(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub(crate) fn x(&self) -> String {
        encode(self.0.public_key().as_ref())
    }

    pub(crate) fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": self.x() })
    }

    pub(crate) fn jwks(&self) -> String {
        let mut jwk = self.jwk();
        jwk["kid"] = "k".into();
        json!({ "keys": [jwk] }).to_string()
    }

    /// RFC 7638.
    pub(crate) fn thumbprint(&self) -> String {
        encode(sha256(format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{}\"}}", self.x()).as_bytes()))
    }

    /// A JWS over whatever these are.
    pub(crate) fn sign(&self, header: &[u8], claims: &[u8]) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = encode(self.0.sign(message.as_bytes()).as_ref());
        format!("{message}.{signature}")
    }
}

pub(crate) const HEADER: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#;

/// The claims of a good token, and these besides.
pub(crate) fn claims(more: &Value) -> String {
    let mut claims = json!({
        "iss": ISSUER, "aud": API, "sub": "alice", "client_id": "web", "jti": "t", "scope": "read",
        "iat": NOW - 10, "exp": NOW + 600,
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.to_string()
}

pub(crate) fn token(more: &Value) -> String {
    Key::of_issuer().sign(HEADER.as_bytes(), claims(more).as_bytes())
}

pub(crate) fn issuer() -> Issuer {
    Issuer::new(ISSUER).jwks_json(Key::of_issuer().jwks())
}

/// A server whose keys are there. Little is kept, so that a long run does not grow.
pub(crate) fn server() -> Builder {
    ResourceServer::builder(issuer(), API).clock(Stopped).token_cache_bytes(1 << 20)
}

/// What a server says of a good token, for what needs one.
pub(crate) fn access_token(more: &Value) -> AccessToken {
    let server = server().build().unwrap();
    at_once(server.verify(&token(more))).unwrap()
}

/// A request without a body.
pub(crate) fn request(method: &str, path: &str, authorization: Option<&str>) -> Parts {
    let mut request = http::Request::builder().method(method).uri(path);
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    request.body(()).unwrap().into_parts().0
}

/// Lines as header values, those of them that are.
pub(crate) fn header_values(data: &[u8]) -> impl Iterator<Item = HeaderValue> + '_ {
    data.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok())
}

/// The outcome of what has nothing to wait for.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("nothing to wait for")
}

/// The outcome of what starts tasks. Time passes when nothing else is left to do.
pub(crate) fn in_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// Replaces a mark in an input by what a mutation would not find.
pub(crate) fn replaced(data: &[u8], mark: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}
