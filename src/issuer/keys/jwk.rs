//! A JWK Set (RFC 7517), read once into keys that can verify. One odd key never voids the set.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::compromised::{PrivateKey, Thumbprint};
use super::public_key::{KeyRules, parse_key, start_of};
use crate::json::Object;
use crate::signature::VerifyingKey;

/// More keys than any issuer has; beyond it the document is rejected unread.
const MAX_KEYS: usize = 100;
/// What only the private half of a key has (RFC 7518 section 6, RFC 8037).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

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
                let verifying = parse_key(&object, rules)?;
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

#[cfg(test)]
mod tests;
