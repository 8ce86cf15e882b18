//! One JWK, of a set or alone, read into a key that can verify (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::compromised::without_leading_zeros;
use crate::json::{JsonError, Object, Text};
use crate::signature::{Algorithm, KeyMaterial, VerifyingKey};

const UNKNOWN: &str = "an unknown key type or curve, or a member is missing";

/// Which algorithms an issuer entry takes, and which one its RSA keys without `alg` mean.
#[derive(Clone, Debug)]
pub(crate) struct KeyRules {
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) rsa_default: Algorithm,
    /// Whether keys are tried for tokens that name none.
    pub(crate) keys_without_kid: bool,
}

/// What kind of key it is, by its `kty` and `crv`.
#[derive(Clone, Copy)]
enum Kind {
    Rsa,
    /// Octets of a coordinate.
    Ec(usize),
    Ed25519,
}

/// Reads a key. `Err` says why it cannot be used.
pub(crate) fn parse_key(object: &Object<'_>, rules: &KeyRules) -> Result<VerifyingKey, String> {
    object.string("kid").map_err(wrong)?;
    let stated = match object.string("alg").map_err(wrong)? {
        Some(name) => Some(
            Algorithm::from_name(&name)
                .ok_or_else(|| format!("alg {:?} is not a signature algorithm for tokens", start_of(&name)))?,
        ),
        None => None,
    };
    check_purpose(object)?;
    let (kind, native) = kind(object, rules)?;
    let algorithm = stated.unwrap_or(native);
    if algorithm != native && !(algorithm.is_rsa() && native.is_rsa()) {
        return Err(format!("alg {algorithm} does not fit the key"));
    }
    if !rules.algorithms.contains(&algorithm) {
        return Err(format!("alg {algorithm} is not allowed for this issuer"));
    }
    let number = |name| number(object, name);
    match kind {
        Kind::Rsa => {
            let (n, e) = (number("n")?, number("e")?);
            // Some issuers write numbers with leading zero octets.
            let material = KeyMaterial::Rsa { n: without_leading_zeros(&n), e: without_leading_zeros(&e) };
            VerifyingKey::new(algorithm, material)
        }
        Kind::Ec(field) => {
            let length = (field * 4).div_ceil(3);
            for name in ["x", "y"] {
                if object.string(name).map_err(wrong)?.is_some_and(|text| text.len() != length) {
                    return Err("a coordinate has the wrong length for the curve".to_owned());
                }
            }
            VerifyingKey::new(algorithm, KeyMaterial::Point(&[&[4], &*number("x")?, &*number("y")?].concat()))
        }
        Kind::Ed25519 => VerifyingKey::new(algorithm, KeyMaterial::Point(&number("x")?)),
    }
    .map_err(str::to_owned)
}

/// The kind of the key, and the one algorithm that it means if it has no `alg`.
fn kind(object: &Object<'_>, rules: &KeyRules) -> Result<(Kind, Algorithm), String> {
    let (kty, crv) = (object.string("kty").map_err(wrong)?, object.string("crv").map_err(wrong)?);
    Ok(match (kty.as_deref(), crv.as_deref()) {
        (Some("RSA"), _) => (Kind::Rsa, rules.rsa_default),
        (Some("EC"), Some("P-256")) => (Kind::Ec(32), Algorithm::Es256),
        (Some("EC"), Some("P-384")) => (Kind::Ec(48), Algorithm::Es384),
        (Some("EC"), Some("P-521")) => (Kind::Ec(66), Algorithm::Es512),
        (Some("EC"), Some(_)) => {
            return Err("an unknown key type or curve: not one of P-256, P-384 and P-521".to_owned());
        }
        (Some("OKP"), Some("Ed25519")) => (Kind::Ed25519, Algorithm::EdDsa),
        (Some("oct"), _) => return Err("a symmetric key".to_owned()),
        _ => return Err(UNKNOWN.to_owned()),
    })
}

fn number(object: &Object<'_>, name: &'static str) -> Result<Vec<u8>, String> {
    let text = object.string(name).map_err(wrong)?.ok_or(UNKNOWN)?;
    URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(|_| "a number is not base64url".to_owned())
}

/// RFC 7517 sections 4.2 and 4.3: for signatures, and where operations are listed, `verify` is one of them.
fn check_purpose(object: &Object<'_>) -> Result<(), String> {
    if object.string("use").map_err(wrong)?.is_some_and(|purpose| purpose != "sig") {
        return Err("use is not sig".to_owned());
    }
    let Some(operations) = object.get::<Vec<Text<'_>>>("key_ops").map_err(wrong)? else { return Ok(()) };
    let count = |name| operations.iter().filter(|operation| operation.0 == name).count();
    let (verify, sign) = (count("verify"), count("sign"));
    if verify != 1 || sign > 1 || verify + sign != operations.len() {
        return Err("key_ops is not for verifying signatures".to_owned());
    }
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn wrong(error: JsonError) -> String {
    error.to_string()
}

/// As much of an issuer's text as belongs into a message.
pub(super) fn start_of(text: &str) -> String {
    text.chars().take(64).collect()
}
