//! The key that a token is bound to, and that each of its proofs carries in its header.

use std::fmt::{self, Write as _};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::issuer::keys::{KeyRules, parse_key};
use crate::json::Object;
use crate::signature::{Algorithm, VerifyingKey};
use crate::token::binding::thumbprint::Thumbprint;

/// Members of private and symmetric keys (RFC 7518 sections 6.2.2, 6.3.2 and 6.4). Whoever sends one has given it away.
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// The longest JWK that is kept beside the key: room for RSA with 4096 bits.
const LARGEST: usize = 1024;

/// The key that a token is bound to: named by the token, parsed from the first proof that it signed.
pub(crate) struct BoundKey {
    thumbprint: Thumbprint,
    parsed: OnceLock<ParsedKey>,
    token_hash: OnceLock<String>,
}

/// A JWK that was read, checked and compared with the thumbprint: all of it follows from its text and the algorithm.
struct ParsedKey {
    jwk: Box<str>,
    key: VerifyingKey,
}

impl BoundKey {
    /// What the parsed key takes in memory, at most.
    pub(crate) const SIZE: usize = 3 * 1024;

    pub(crate) const fn new(thumbprint: Thumbprint) -> Self {
        Self { thumbprint, parsed: OnceLock::new(), token_hash: OnceLock::new() }
    }

    pub(crate) const fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// What each proof states as `ath`: the SHA-256 digest of the token, in base64url. It is computed for the first proof.
    pub(crate) fn token_hash(&self, digest: impl FnOnce() -> [u8; 32]) -> &str {
        self.token_hash.get_or_init(|| URL_SAFE_NO_PAD.encode(digest()))
    }

    /// The key, if an earlier proof of this token had the same JWK and the same algorithm.
    pub(super) fn parsed(&self, jwk: &str, algorithm: Algorithm) -> Option<&VerifyingKey> {
        let parsed = self.parsed.get().filter(|parsed| *parsed.jwk == *jwk && parsed.key.algorithm() == algorithm);
        parsed.map(|parsed| &parsed.key)
    }

    /// Keeps the key of a proof whose signature is valid. The first one stays: a client does not write its key in two ways.
    pub(super) fn keep(&self, jwk: &str, key: VerifyingKey) {
        if jwk.len() <= LARGEST {
            self.parsed.get_or_init(|| ParsedKey { jwk: jwk.into(), key });
        }
    }
}

impl PartialEq for BoundKey {
    fn eq(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint
    }
}

impl Eq for BoundKey {}

impl fmt::Debug for BoundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.thumbprint.fmt(f)
    }
}

/// The RFC 7638 thumbprint of a JWK: of its required members alone, in lexicographic order, without white space.
///
/// # Errors
///
/// Returns what is wrong if it is not a public key, or has no thumbprint.
pub(super) fn thumbprint(jwk: &Object<'_>) -> Result<Thumbprint, &'static str> {
    if PRIVATE.iter().any(|name| jwk.has(name)) {
        return Err("jwk is a private or a symmetric key");
    }
    let kind = jwk.string("kty").ok().flatten().ok_or("jwk has no kty")?;
    let required: &[&'static str] = match &*kind {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return Err("jwk is not an EC, OKP or RSA key"),
    };
    let mut canonical = String::with_capacity(160);
    for &name in required {
        let value = jwk.string(name).ok().flatten().ok_or("jwk lacks a member that its type requires")?;
        // So none needs an escape, which could be written in several ways.
        if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return Err("a member of jwk has characters that are not base64url");
        }
        let separator = if canonical.is_empty() { '{' } else { ',' };
        write!(canonical, "{separator}\"{name}\":\"{value}\"").map_err(|_| "jwk has no canonical form")?;
    }
    canonical.push('}');
    Ok(Thumbprint::of(canonical.as_bytes()))
}

/// The key, for the algorithm that the header of the proof states.
///
/// # Errors
///
/// Returns what is wrong if the key cannot verify signatures by that algorithm.
pub(super) fn parse(jwk: &Object<'_>, raw: &str, algorithm: Algorithm) -> Result<VerifyingKey, String> {
    parse_key(jwk, raw, &KeyRules { algorithms: vec![algorithm], rsa_default: algorithm, keys_without_kid: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Result<String, &'static str> {
        thumbprint(&Object::parse(json.as_bytes()).unwrap()).map(|thumbprint| thumbprint.to_string())
    }

    #[test]
    fn thumbprint_of_rfc_7638() {
        let json = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        assert_eq!(of(json).as_deref(), Ok("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    }

    #[test]
    fn thumbprint_of_rfc_8037_and_of_rfc_9449() {
        let okp = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        assert_eq!(of(okp).as_deref(), Ok("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
        let ec = r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
                     "y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#;
        assert_eq!(of(ec).as_deref(), Ok("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"));
    }

    #[test]
    fn what_is_no_public_key_is_rejected() {
        for bad in [
            "{}",
            r#"{"kty":"oct","k":"AAAA"}"#,
            r#"{"kty":"oct"}"#,
            r#"{"kty":"ec","crv":"P-256","x":"AA","y":"AA"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AA"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":1}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"A\"A"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA="}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"AA","d":null}"#,
            r#"{"kty":"RSA","n":"AA","e":"AQAB","oth":[]}"#,
            r#"{"kty":"RSA","n":"AA","e":"AQAB","k":""}"#,
            r#"{"kty":1}"#,
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
