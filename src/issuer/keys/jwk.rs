//! A JWK Set (RFC 7517), read once into keys that can verify. One odd key never voids the set.

use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use serde_json::value::RawValue;

use super::compromised::{PrivateKey, Thumbprint, without_leading_zeros};
use crate::json::Object;
use crate::signature::{Algorithm, KeyMaterial, VerifyingKey};

/// More keys than any issuer has; beyond it the document is rejected unread.
const MAX_KEYS: usize = 100;
/// What only the private half of a key has (RFC 7518 section 6, RFC 8037).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// Which algorithms an issuer entry takes, and which one its RSA keys without `alg` mean.
#[derive(Clone, Debug)]
pub(crate) struct KeyRules {
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) rsa_default: Algorithm,
    /// Whether keys are tried for tokens that name none.
    pub(crate) keys_without_kid: bool,
}

/// The usable keys of one document.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeySet {
    pub(super) keys: Vec<Key>,
    /// Kids that stand in the document but cannot be used. To ask the issuer again would not help.
    pub(super) unusable: Vec<Box<str>>,
    pub(super) tries_keys: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) kid: Option<Box<str>>,
    pub(super) verifying: Arc<VerifyingKey>,
    thumbprint: Thumbprint,
    /// As the issuer wrote it.
    raw: Arc<str>,
}

/// What a document holds.
pub(crate) struct Parsed {
    pub(crate) set: KeySet,
    /// What was skipped, and why.
    pub(crate) skipped: Vec<String>,
    /// Private keys: whoever has read this document can sign with them. None of them is in the set.
    pub(crate) private: Vec<PrivateKey>,
}

impl KeySet {
    /// Reads a document from the configuration: it has a usable key and no private one. The second value names what was
    /// skipped and why.
    pub(crate) fn configured(document: &[u8], rules: &KeyRules) -> Result<(Self, Vec<String>), String> {
        let Parsed { set, skipped, private } = Self::parse(document, rules)?;
        if let Some(key) = private.first() {
            let kid = key.kid.as_deref().map(start_of);
            return Err(format!("the key with kid {kid:?} is a private key: whoever has read this document can sign"));
        }
        if set.is_empty() {
            return Err(format!("no usable key; {}", skipped.join("; ")));
        }
        Ok((set, skipped))
    }

    /// Reads a document, which may have no usable key.
    ///
    /// `Err` when the document as a whole must not be used.
    pub(crate) fn parse(document: &[u8], rules: &KeyRules) -> Result<Parsed, String> {
        let set = Object::document(document)?;
        let keys: Vec<&RawValue> =
            set.get("keys").map_err(|error| error.to_string())?.ok_or("there is no member \"keys\"")?;
        if keys.len() > MAX_KEYS {
            return Err(format!("{} keys, more than {MAX_KEYS}", keys.len()));
        }
        let mut parsed = Self { tries_keys: rules.keys_without_kid, ..Self::default() };
        let (mut skipped, mut private) = (Vec::new(), Vec::new());
        for (index, raw) in keys.into_iter().enumerate() {
            let object = Object::document(raw.get().as_bytes());
            let kid = object.as_ref().ok().and_then(|object| object.string("kid").ok().flatten());
            let named = format!("key {index} (kid {:?})", kid.as_deref().map(start_of));
            let thumbprint = object.as_ref().ok().and_then(Thumbprint::of);
            let kid_text = || kid.as_deref().map(Box::from);
            let verifying = object.and_then(|object| {
                if PRIVATE_MEMBERS.iter().any(|member| object.has(member)) {
                    private.push(PrivateKey { kid: kid_text(), thumbprint });
                    return Err("a private key: whoever has read this document can sign".to_owned());
                }
                let verifying = parse_key(&object, raw.get(), rules)?;
                Ok((verifying, thumbprint.ok_or("an unknown key type, or a member is missing")?))
            });
            match verifying {
                Ok((verifying, thumbprint)) => {
                    let (verifying, raw) = (Arc::new(verifying), raw.get().into());
                    parsed.keys.push(Key { kid: kid_text(), verifying, thumbprint, raw });
                }
                Err(reason) => {
                    skipped.push(format!("{named}: {reason}"));
                    parsed.unusable.extend(kid.map(|kid| Box::from(kid.as_ref())));
                }
            }
        }
        parsed.drop_conflicts(&mut skipped);
        let is_private = |key: &Thumbprint| private.iter().any(|private: &PrivateKey| private.thumbprint == Some(*key));
        Ok(Parsed { set: parsed.without(is_private), skipped, private })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The set without these keys. Tokens that name them are rejected; asking the issuer again would not help.
    pub(crate) fn without(&self, is_refused: impl Fn(&Thumbprint) -> bool) -> Self {
        let mut kept = Self { keys: Vec::new(), unusable: self.unusable.clone(), tries_keys: self.tries_keys };
        for key in &self.keys {
            if is_refused(&key.thumbprint) {
                kept.unusable.extend(key.kid.clone());
            } else {
                kept.keys.push(key.clone());
            }
        }
        kept
    }

    /// The usable keys as a document.
    pub(crate) fn to_json(&self) -> String {
        let keys: Vec<&str> = self.keys.iter().map(|key| &*key.raw).collect();
        format!("{{\"keys\":[{}]}}", keys.join(","))
    }

    /// Two different keys of one type under one `kid`: neither can be meant. The same key twice is one key.
    fn drop_conflicts(&mut self, skipped: &mut Vec<String>) {
        let all = std::mem::take(&mut self.keys);
        for (at, key) in all.iter().enumerate() {
            let rivals = |other: &&Key| {
                key.kid.is_some() && other.kid == key.kid && other.verifying.has_same_type(&key.verifying)
            };
            if all.iter().filter(rivals).any(|other| !other.verifying.is_same_key(&key.verifying)) {
                let kid = key.kid.as_deref().map(start_of);
                skipped.push(format!("key with kid {kid:?}: another key of its type has the same kid"));
                self.unusable.extend(key.kid.clone());
            } else if !all
                .iter()
                .take(at)
                .any(|earlier| earlier.kid == key.kid && earlier.verifying.is_same_key(&key.verifying))
            {
                self.keys.push(key.clone());
            }
        }
    }

    /// Keeps the identity of keys that did not change, so that what rests on a key can see that it is still there.
    pub(crate) fn carry_over(&mut self, old: &Self) {
        for key in &mut self.keys {
            let same =
                old.keys.iter().find(|other| other.kid == key.kid && other.verifying.is_same_key(&key.verifying));
            if let Some(same) = same {
                key.verifying = same.verifying.clone();
            }
        }
    }

    /// Whether it holds this very key under this `kid`. Sets that were carried over can be asked.
    fn holds(&self, key: &Key) -> bool {
        self.keys.iter().any(|other| other.kid == key.kid && Arc::ptr_eq(&other.verifying, &key.verifying))
    }

    /// The `kid`s of the keys that `other` holds too (`shared`), or does not.
    pub(crate) fn kids_shared(&self, other: &Self, shared: bool) -> Vec<String> {
        self.keys
            .iter()
            .filter(|key| other.holds(key) == shared)
            .filter_map(|key| key.kid.as_deref().map(str::to_owned))
            .collect()
    }

    pub(crate) fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.kid.as_deref())
    }
}

/// As much of an issuer's text as belongs into a message.
fn start_of(text: &str) -> String {
    text.chars().take(64).collect()
}

/// One key, of a set or alone.
pub(crate) fn parse_key(object: &Object<'_>, raw: &str, rules: &KeyRules) -> Result<VerifyingKey, String> {
    let wrong = |error: crate::json::JsonError| error.to_string();
    object.string("kid").map_err(wrong)?;
    // Read as text: the library's own list of names lacks ES512 and Ed25519.
    let stated = match object.string("alg").map_err(wrong)? {
        Some(name) => Some(
            Algorithm::from_name(&name)
                .ok_or_else(|| format!("alg {:?} is not a signature algorithm for tokens", start_of(&name)))?,
        ),
        None => None,
    };
    let jwk: Jwk = serde_json::from_str(raw).map_err(|_| "a member has the wrong type".to_owned())?;
    check_purpose(&jwk)?;
    let native = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(ec) => {
            let (algorithm, field) = match ec.curve {
                EllipticCurve::P256 => (Algorithm::Es256, 32_usize),
                EllipticCurve::P384 => (Algorithm::Es384, 48),
                EllipticCurve::P521 => (Algorithm::Es512, 66),
                _ => return Err("the curve is not one of P-256, P-384 and P-521".to_owned()),
            };
            let length = (field * 4).div_ceil(3);
            if ec.x.len() != length || ec.y.len() != length {
                return Err("a coordinate has the wrong length for the curve".to_owned());
            }
            algorithm
        }
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => Algorithm::EdDsa,
        AlgorithmParameters::RSA(_) => rules.rsa_default,
        AlgorithmParameters::OctetKey(_) => return Err("a symmetric key".to_owned()),
        _ => return Err("an unknown key type or curve, or a member is missing".to_owned()),
    };
    let algorithm = stated.unwrap_or(native);
    if algorithm != native && !(algorithm.is_rsa() && native.is_rsa()) {
        return Err(format!("alg {algorithm} does not fit the key"));
    }
    if !rules.algorithms.contains(&algorithm) {
        return Err(format!("alg {algorithm} is not allowed for this issuer"));
    }
    let decoded = DecodingKey::from_jwk(&jwk).map_err(|_| "a number is not base64url".to_owned())?;
    let material = match decoded.kind() {
        DecodingKeyKind::SecretOrDer(point) => KeyMaterial::Point(point),
        // Some issuers write numbers with leading zero octets.
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            KeyMaterial::Rsa { n: without_leading_zeros(n), e: without_leading_zeros(e) }
        }
    };
    VerifyingKey::new(algorithm, material).map_err(str::to_owned)
}

/// RFC 7517 sections 4.2 and 4.3: for signatures, and where operations are listed, `verify` is one of them.
fn check_purpose(jwk: &Jwk) -> Result<(), String> {
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return Err("use is not sig".to_owned());
    }
    let Some(operations) = &jwk.common.key_operations else { return Ok(()) };
    let twice = operations
        .iter()
        .enumerate()
        .any(|(at, operation)| operations.iter().skip(at + 1).any(|other| other == operation));
    let only_signatures =
        operations.iter().all(|operation| matches!(operation, KeyOperations::Verify | KeyOperations::Sign));
    if twice || !only_signatures || !operations.contains(&KeyOperations::Verify) {
        return Err("key_ops is not for verifying signatures".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
