//! Signing keys: made, named, written as a JWK, and used.

#![allow(clippy::expect_used, reason = "the crypto library fails to make or use a key only in a broken environment")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as lc, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm as Jwa, EncodingKey};
use serde_json::{Map, Value};

use crate::lock::lock;
use crate::signature::{Algorithm, KeyMaterial, VerifyingKey};

/// How an issuer writes its keys.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyForm {
    /// Whether a JWK states its `alg`; `None` as Logto does it.
    pub(super) states_alg: Option<bool>,
    /// `Ed25519` instead of `EdDSA`.
    pub(super) rfc9864_names: bool,
}

/// One private key, for one algorithm.
pub(super) struct SigningKey {
    algorithm: Algorithm,
    form: KeyForm,
    kid: String,
    /// What RFC 7638 hashes: `kty` and the public numbers.
    public: BTreeMap<&'static str, String>,
    private: Private,
}

enum Private {
    Jwt(Jwa, EncodingKey),
    Rsa(Jwa, RsaLease),
    /// `jsonwebtoken` has no ES512.
    P521(EcdsaKeyPair),
}

impl SigningKey {
    pub(super) fn generate(algorithm: Algorithm, form: KeyForm) -> Self {
        let (private, public) = match algorithm {
            Algorithm::Es256 => ec("P-256", &lc::ECDSA_P256_SHA256_FIXED_SIGNING, Some(Jwa::ES256)),
            Algorithm::Es384 => ec("P-384", &lc::ECDSA_P384_SHA384_FIXED_SIGNING, Some(Jwa::ES384)),
            Algorithm::Es512 => ec("P-521", &lc::ECDSA_P521_SHA512_FIXED_SIGNING, None),
            Algorithm::Rs256 => rsa(Jwa::RS256),
            Algorithm::Rs384 => rsa(Jwa::RS384),
            Algorithm::Rs512 => rsa(Jwa::RS512),
            Algorithm::Ps256 => rsa(Jwa::PS256),
            Algorithm::Ps384 => rsa(Jwa::PS384),
            Algorithm::Ps512 => rsa(Jwa::PS512),
            Algorithm::EdDsa => ed25519(),
        };
        let kid = thumbprint(&public);
        Self { algorithm, form, kid, public, private }
    }

    pub(super) fn with_kid(self, kid: String) -> Self {
        Self { kid, ..self }
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The name of the algorithm, in a token's header and in the JWK.
    pub(super) const fn alg(&self) -> &'static str {
        match self.algorithm {
            Algorithm::EdDsa if self.form.rfc9864_names => "Ed25519",
            algorithm => algorithm.as_str(),
        }
    }

    /// The public key as a JWK (RFC 7517).
    pub(super) fn jwk(&self) -> Value {
        let mut jwk: Map<String, Value> =
            self.public.iter().map(|(&name, value)| (name.to_owned(), value.as_str().into())).collect();
        jwk.insert("use".to_owned(), "sig".into());
        jwk.insert("kid".to_owned(), self.kid.as_str().into());
        if self.form.states_alg.unwrap_or(self.algorithm != Algorithm::Rs256) {
            jwk.insert("alg".to_owned(), self.alg().into());
        }
        jwk.into()
    }

    /// Never through `jsonwebtoken`'s process-wide provider: it panics when another crate enables a second backend.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let (algorithm, key) = match &self.private {
            Private::Jwt(algorithm, key) => (algorithm, key),
            Private::Rsa(algorithm, lease) => (algorithm, &lease.0.private),
            Private::P521(pair) => {
                return pair.sign(&SystemRandom::new(), message).expect("a P-521 key signs").as_ref().to_vec();
            }
        };
        let signer = (DEFAULT_PROVIDER.signer_factory)(algorithm, key).expect("the key was made for the algorithm");
        signer.try_sign(message).expect("a key signs")
    }
}

impl SigningKey {
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let number = |name| self.public.get(name).and_then(|number| decode(number)).unwrap_or_default();
        let key = match self.private {
            Private::Rsa(..) => {
                VerifyingKey::new(self.algorithm, KeyMaterial::Rsa { n: &number("n"), e: &number("e") })
            }
            _ if self.algorithm == Algorithm::EdDsa => {
                VerifyingKey::new(self.algorithm, KeyMaterial::Point(&number("x")))
            }
            _ => {
                let point = [vec![4], number("x"), number("y")].concat();
                VerifyingKey::new(self.algorithm, KeyMaterial::Point(&point))
            }
        };
        key.is_ok_and(|key| key.verify(message, signature))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("alg", &self.alg()).field("kid", &self.kid).finish_non_exhaustive()
    }
}

type Generated = (Private, BTreeMap<&'static str, String>);

fn ec(crv: &str, curve: &'static EcdsaSigningAlgorithm, jwa: Option<Jwa>) -> Generated {
    let pair = EcdsaKeyPair::generate(curve).expect("an EC key");
    let (_uncompressed, point) = pair.public_key().as_ref().split_first().expect("an encoded point");
    let (x, y) = point.split_at(point.len() / 2);
    let public = members([("kty", "EC".to_owned()), ("crv", crv.to_owned()), ("x", encode(x)), ("y", encode(y))]);
    let private = match jwa {
        Some(jwa) => Private::Jwt(jwa, EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("PKCS #8").as_ref())),
        None => Private::P521(pair),
    };
    (private, public)
}

fn ed25519() -> Generated {
    let pair = Ed25519KeyPair::generate().expect("an Ed25519 key");
    let x = encode(pair.public_key().as_ref());
    let public = members([("kty", "OKP".to_owned()), ("crv", "Ed25519".to_owned()), ("x", x)]);
    let private = EncodingKey::from_ed_der(pair.to_pkcs8().expect("PKCS #8").as_ref());
    (Private::Jwt(Jwa::EdDSA, private), public)
}

fn rsa(jwa: Jwa) -> Generated {
    let lease = RsaLease::take();
    let public = members([("kty", "RSA".to_owned()), ("n", lease.0.n.clone()), ("e", lease.0.e.clone())]);
    (Private::Rsa(jwa, lease), public)
}

fn members<const N: usize>(members: [(&'static str, String); N]) -> BTreeMap<&'static str, String> {
    members.into()
}

/// RFC 7638: the required members alone, in lexicographic order, without white space.
fn thumbprint(public: &BTreeMap<&'static str, String>) -> String {
    let json = serde_json::to_vec(public).expect("a map of strings");
    encode(digest::digest(&digest::SHA256, &json).as_ref())
}

pub(super) fn encode(octets: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// `octets` random octets in base64url.
pub(super) fn random(octets: usize) -> String {
    let mut buffer = vec![0; octets];
    rand::fill(&mut buffer).expect("random octets");
    encode(buffer)
}

/// RSA keys take long to make, so the process keeps those that no issuer uses any more.
static IDLE: Mutex<Vec<Arc<RsaKey>>> = Mutex::new(Vec::new());

struct RsaKey {
    private: EncodingKey,
    n: String,
    e: String,
}

impl RsaKey {
    fn generate() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key");
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS #8");
        // `jsonwebtoken` reads the bare RSAPrivateKey; around it PKCS #8 puts 26 octets for keys of this size.
        let private = EncodingKey::from_rsa_der(pkcs8.as_ref().get(26..).expect("a key inside"));
        let numbers = lc::RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        Self { private, n: encode(numbers.n), e: encode(numbers.e) }
    }
}

/// A key that no other issuer has at the moment: two living issuers never share one.
struct RsaLease(Arc<RsaKey>);

impl RsaLease {
    fn take() -> Self {
        let idle = lock(&IDLE).pop();
        Self(idle.unwrap_or_else(|| Arc::new(RsaKey::generate())))
    }
}

impl Drop for RsaLease {
    fn drop(&mut self) {
        lock(&IDLE).push(Arc::clone(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprint_of_rfc_7638() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n\
                 3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgd\
                 AZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur\
                 -kEgU8awapJzKnqDKgw";
        let public = members([("kty", "RSA".to_owned()), ("n", n.to_owned()), ("e", "AQAB".to_owned())]);
        assert_eq!(thumbprint(&public), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn an_rsa_key_is_leased_to_one_at_a_time() {
        let generate = || SigningKey::generate(Algorithm::Rs256, KeyForm::default());
        let (first, second) = (generate(), generate());
        assert_ne!(first.kid(), second.kid());
    }

    #[test]
    fn alg_is_stated_as_told() {
        let states = |algorithm, states_alg| {
            SigningKey::generate(algorithm, KeyForm { states_alg, rfc9864_names: false }).jwk().get("alg").is_some()
        };
        assert!(!states(Algorithm::Rs256, None), "as Logto");
        assert!(states(Algorithm::Ps256, None) && states(Algorithm::Es384, None));
        assert!(states(Algorithm::Rs256, Some(true)) && !states(Algorithm::Es384, Some(false)));
        let named = SigningKey::generate(Algorithm::EdDsa, KeyForm { states_alg: None, rfc9864_names: true });
        assert_eq!(named.jwk()["alg"], "Ed25519");
    }
}
