//! An issuer, its tokens, and the servers that trust it.

use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use axum::http::HeaderValue;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use orgate::issuer::Algorithm;
use orgate::server::Builder;
use orgate::testing::{TestIssuer, TokenBuilder};
use orgate::{Issuer, ResourceServer};
use serde_json::Value;

pub(crate) const API: &str = "https://api.example.com";
pub(crate) const ISSUER: &str = "https://tenant.logto.app/oidc";
/// As many tokens as clients use repeatedly.
pub(crate) const TOKENS: usize = 64;
/// What a token of Logto weighs with ES384, a few claims and ten scopes.
pub(crate) const TOKEN_BYTES: usize = 877;

/// One issuer with one key.
pub(crate) struct Case {
    pub(crate) algorithm: Algorithm,
    pub(crate) issuer: TestIssuer,
}

/// The runtime that issuers live on. Requests are polled without one.
pub(crate) fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
    })
}

impl Case {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, issuer: runtime().block_on(TestIssuer::builder().algorithm(algorithm).start()) }
    }

    /// A server that was given its keys.
    pub(crate) fn server(&self) -> ResourceServer {
        self.builder().build().expect("a server")
    }

    pub(crate) fn builder(&self) -> Builder {
        let entry = Issuer::new(ISSUER).jwks_json(self.issuer.jwks_json()).algorithms([self.algorithm]);
        ResourceServer::builder(entry, API)
    }

    /// A token for the API, of the usual size.
    pub(crate) fn token(&self) -> TokenBuilder {
        sized(self.issuer.resource_token(API))
    }

    /// A token with organization permissions, of the usual size.
    pub(crate) fn organization_token(&self, organization: &str) -> TokenBuilder {
        sized(self.issuer.organization_token(organization))
    }

    pub(crate) fn tokens(&self) -> Vec<String> {
        mint(&self.token(), TOKENS)
    }

    /// The key as the crypto library has it: for the check alone.
    pub(crate) fn parsed_key(&self) -> ParsedPublicKey {
        let jwks: Value = serde_json::from_str(&self.issuer.jwks_json()).expect("a key set");
        let number = |name: &str| decode(jwks["keys"][0][name].as_str().expect("a number of the key"));
        let point = || [vec![4], number("x"), number("y")].concat();
        match self.algorithm {
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point()),
            Algorithm::Es384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point()),
            Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, number("x")),
            Algorithm::Rs256 => {
                PublicKeyComponents { n: number("n"), e: number("e") }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
            other => panic!("no row for {other}"),
        }
        .expect("a key")
    }
}

/// As Logto writes it, with scopes up to the usual size, as far as the signature leaves room.
fn sized(token: TokenBuilder) -> TokenBuilder {
    let token = token
        .issuer(ISSUER)
        .subject("x4kq9vbn2m7d")
        .client("q8zt5w1c3yhj6l0pfa2rs")
        .expires_in(Duration::from_secs(86_400))
        .scope("read:products write:products");
    let with = |length: usize| {
        let filler: Vec<String> = (0..length / 16).map(|number| format!("read:collect{number:03}")).collect();
        token.clone().scope(&format!("{}{}", filler.join(" "), "x".repeat(length % 16)))
    };
    let fits = |length: &usize| with(*length).mint().len() >= TOKEN_BYTES;
    with((0..600).find(fits).unwrap_or(0))
}

pub(crate) fn mint(token: &TokenBuilder, count: usize) -> Vec<String> {
    (0..count).map(|_| token.mint()).collect()
}

/// What is signed, and the signature.
pub(crate) fn signed_parts(token: &str) -> (Vec<u8>, Vec<u8>) {
    let (message, signature) = token.rsplit_once('.').expect("a JWT");
    (message.into(), decode(signature))
}

fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

pub(crate) fn bearer(token: &str) -> HeaderValue {
    format!("Bearer {token}").parse().expect("the value of a header")
}
