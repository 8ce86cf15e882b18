//! Keys whose private half was published: they are never used again.

use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::json::Object;
use crate::lock::lock;
use crate::signature::sha256;

/// An issuer that published more private keys than that is not believed any more.
const MOST: usize = 256;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The public numbers of a key in 32 octets, however they are written and whatever algorithm the key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// `None`: it is no public key of a known type.
    pub(super) fn of(key: &Object<'_>) -> Option<Self> {
        let text = |name| key.string(name).ok().flatten();
        let kty = text("kty")?;
        let names: &[&'static str] = match &*kty {
            "RSA" => &["n", "e"],
            "EC" => &["x", "y"],
            "OKP" => &["x"],
            _ => return None,
        };
        let mut canonical = Vec::with_capacity(600);
        for part in [&*kty, text("crv").as_deref().filter(|_| kty != "RSA").unwrap_or_default()] {
            push(&mut canonical, part.as_bytes());
        }
        for name in names {
            let number = BASE64.decode(text(name)?.as_bytes()).ok()?;
            // The octets of an Edwards point are no number.
            let number = if kty == "OKP" { &*number } else { without_leading_zeros(&number) };
            push(&mut canonical, number);
        }
        Some(Self(sha256(&canonical)))
    }
}

/// Each part says how long it is first.
fn push(canonical: &mut Vec<u8>, part: &[u8]) {
    canonical.extend_from_slice(&(part.len() as u64).to_le_bytes());
    canonical.extend_from_slice(part);
}

/// A number may be written with leading zero octets, and is the same number.
pub(super) fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// A private key that stood in a key set.
#[derive(Clone, Debug)]
pub(crate) struct PrivateKey {
    pub(crate) kid: Option<Box<str>>,
    /// Of its public half; `None` if that cannot be read.
    pub(crate) thumbprint: Option<Thumbprint>,
}

/// The compromised keys of one issuer entry. A clone is the same list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compromised(Arc<Mutex<Vec<Thumbprint>>>);

impl Compromised {
    /// Remembers these keys. `false` if there is no room for all of them.
    #[must_use]
    pub(super) fn note(&self, keys: &[PrivateKey]) -> bool {
        let mut held = self.lock();
        for thumbprint in keys.iter().filter_map(|key| key.thumbprint.as_ref()) {
            if held.contains(thumbprint) {
                continue;
            }
            if held.len() >= MOST {
                return false;
            }
            held.push(*thumbprint);
        }
        true
    }

    pub(super) fn holds(&self, key: &Thumbprint) -> bool {
        self.lock().contains(key)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Thumbprint>> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Option<Thumbprint> {
        Thumbprint::of(&Object::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn thumbprint_is_the_keys_however_it_is_written() {
        let key = of(r#"{"kty":"RSA","n":"AQID","e":"AQAB"}"#);
        assert!(key.is_some());
        assert_eq!(key, of(r#"{"kty":"RSA","kid":"a","alg":"PS256","n":"AAABAgM","e":"AQAB","d":"AQ"}"#));
        assert_eq!(key, of(r#"{"kty":"RSA","n":"AQID","e":"AAEAAQ==","crv":"x"}"#));
        for other in [
            r#"{"kty":"RSA","n":"AQIE","e":"AQAB"}"#,
            r#"{"kty":"RSA","n":"AQID","e":"Aw"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AQID","y":"AQAB"}"#,
            r#"{"kty":"EC","crv":"P-384","x":"AQID","y":"AQAB"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"AQID"}"#,
        ] {
            assert!(of(other).is_some() && of(other) != key, "{other}");
        }
        for none in [r#"{"kty":"oct","k":"AQID"}"#, r#"{"kty":"RSA","n":"AQID"}"#, r#"{"n":"AQID","e":"AQAB"}"#] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn list_that_is_full_says_so_and_forgets_none() {
        let key = |number: usize| {
            let mut octets = [0; 32];
            octets[..8].copy_from_slice(&number.to_le_bytes());
            PrivateKey { kid: None, thumbprint: Some(Thumbprint(octets)) }
        };
        let list = Compromised::default();
        assert!((0..MOST).all(|number| list.note(&[key(number)])));
        assert!(list.note(&[key(0), key(1)]), "known already");
        assert!(!list.note(&[key(MOST)]));
        let holds = |number| list.clone().holds(&key(number).thumbprint.unwrap());
        assert!(holds(0) && holds(7) && !holds(MOST));
    }
}
