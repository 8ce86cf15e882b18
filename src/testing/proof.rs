//! A DPoP client's key, and proofs by it, right and wrong (RFC 9449).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use serde_json::{Map, Value};

use super::TestClock;
use super::keys::{KeyForm, SigningKey, encode, random};
use super::members::{Change, changed, changes_members};
use crate::signature::Algorithm;
use crate::time::Clock as _;

/// The key of a client, to which tokens are bound and by which it signs proofs. Made by
/// [`TestIssuer::proof_key`](super::TestIssuer::proof_key).
///
/// ```
/// use orgate::testing::TestIssuer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let issuer = TestIssuer::start().await;
/// let key = issuer.proof_key();
/// let token = issuer.resource_token("https://api.example.com").bound_to(&key).mint();
/// let proof = key.proof("GET", "https://api.example.com/orders", &token).mint();
/// assert_eq!(proof.split('.').count(), 3);
/// # }
/// ```
#[derive(Clone)]
pub struct TestProofKey {
    key: Arc<SigningKey>,
    clock: TestClock,
}

impl TestProofKey {
    pub(super) fn generate(algorithm: Algorithm, clock: TestClock) -> Self {
        Self { key: Arc::new(SigningKey::generate(algorithm, KeyForm::default())), clock }
    }

    /// Returns the thumbprint of the key (RFC 7638): the `jkt` of tokens that are bound to it.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        self.key.kid()
    }

    /// Starts a proof for one request with one access token. It has the header members `typ` (`dpop+jwt`), `alg` and `jwk`, and
    /// the claims `jti` (another one each time), `htm`, `htu`, `iat` (now) and `ath`.
    pub fn proof(&self, method: impl Into<String>, url: impl Into<String>, token: &str) -> ProofBuilder {
        ProofBuilder {
            key: self.clone(),
            signer: Arc::clone(&self.key),
            is_tampered: false,
            claims: vec![
                ("htm".to_owned(), Some(method.into().into())),
                ("htu".to_owned(), Some(url.into().into())),
                ("ath".to_owned(), Some(encode(digest::digest(&digest::SHA256, token.as_bytes()).as_ref()).into())),
            ],
            header: Vec::new(),
            raw_claims: None,
            raw_header: None,
        }
    }
}

impl fmt::Debug for TestProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestProofKey").field("thumbprint", &self.thumbprint()).finish_non_exhaustive()
    }
}

/// Builds a proof, which is correct unless the test changes it. Made by [`TestProofKey::proof`].
#[derive(Clone, Debug)]
#[must_use = "a proof is made by mint()"]
pub struct ProofBuilder {
    key: TestProofKey,
    signer: Arc<SigningKey>,
    is_tampered: bool,
    claims: Vec<Change>,
    header: Vec<Change>,
    raw_claims: Option<Vec<u8>>,
    raw_header: Option<Vec<u8>>,
}

changes_members!(ProofBuilder);

impl ProofBuilder {
    /// Sets the nonce that a server gave.
    pub fn nonce(self, nonce: impl Into<String>) -> Self {
        self.claim("nonce", nonce.into())
    }

    /// Sets the id: `jti`.
    pub fn id(self, id: impl Into<String>) -> Self {
        self.claim("jti", id.into())
    }

    /// Sets when it was made, as the duration since the Unix epoch: `iat`.
    pub fn issued_at(self, unix: Duration) -> Self {
        self.claim("iat", unix.as_secs())
    }

    /// Uses these octets instead of the claims, signed as they are: a claim named twice, or no JSON at all.
    pub fn raw_claims(mut self, octets: impl Into<Vec<u8>>) -> Self {
        self.raw_claims = Some(octets.into());
        self
    }

    /// Uses these octets instead of the header, signed as they are.
    pub fn raw_header(mut self, octets: impl Into<Vec<u8>>) -> Self {
        self.raw_header = Some(octets.into());
        self
    }

    /// Signs with another key than the header names.
    pub fn forged_by(mut self, other: &TestProofKey) -> Self {
        self.signer = Arc::clone(&other.key);
        self
    }

    /// Alters the proof after it was signed.
    pub const fn tampered(mut self) -> Self {
        self.is_tampered = true;
        self
    }

    /// Returns the proof, with a `jti` of its own each time.
    #[must_use]
    pub fn mint(&self) -> String {
        let mut header = Map::new();
        header.insert("typ".to_owned(), "dpop+jwt".into());
        header.insert("alg".to_owned(), self.key.key.alg().into());
        header.insert("jwk".to_owned(), self.key.key.jwk());
        let mut claims = Map::new();
        claims.insert("jti".to_owned(), random(16).into());
        claims.insert("iat".to_owned(), Value::from(self.key.clock.now().unix.as_secs()));
        let header = self.raw_header.clone().unwrap_or_else(|| changed(header, &self.header));
        let claims = self.raw_claims.clone().unwrap_or_else(|| changed(claims, &self.claims));
        let message = format!("{}.{}", encode(header), encode(&claims));
        let signed = if self.is_tampered { format!("{message}A") } else { message.clone() };
        format!("{message}.{}", encode(self.signer.sign(signed.as_bytes())))
    }
}
