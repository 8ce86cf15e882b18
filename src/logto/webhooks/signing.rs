//! The keys that webhooks are signed with.

use std::fmt;
use std::sync::Arc;

use crate::error::ConfigError;
use crate::signature::SharedSecret;

/// The signing keys of a webhook: one, or several during a rotation or if several hooks call the same URL.
///
/// A cheap clone. Its `Debug` form says how many keys there are, and nothing of them.
///
/// ```
/// use orgate::logto::webhooks::SigningKeys;
///
/// // During a rotation both keys are valid.
/// let keys = SigningKeys::new(["the old signing key", "the new signing key"])?;
/// # _ = keys;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SigningKeys(Arc<[SharedSecret]>);

impl SigningKeys {
    /// Creates the keys. Each one is the text that Logto's console shows, used as UTF-8 without decoding.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if there is no key, or if one is empty or has white space around it, such as the line
    /// break at the end of a file. An empty key would let anyone sign.
    pub fn new<K: AsRef<str>>(keys: impl IntoIterator<Item = K>) -> Result<Self, ConfigError> {
        let keys = keys.into_iter().enumerate().map(|(at, key)| shared_secret(at + 1, key.as_ref()));
        let keys: Arc<[SharedSecret]> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(ConfigError::new("webhooks need at least one signing key"));
        }
        Ok(Self(keys))
    }

    /// Whether one of the keys made this tag.
    pub(super) fn made(&self, message: &[u8], tag: &[u8; 32]) -> bool {
        self.0.iter().any(|key| key.verify(message, tag))
    }
}

/// The message names the key's place in the list: the key is a secret.
fn shared_secret(place: usize, key: &str) -> Result<SharedSecret, ConfigError> {
    if key.is_empty() {
        return Err(ConfigError::new(format_args!("signing key {place} of the webhooks is empty")));
    }
    if key.trim() != key {
        return Err(ConfigError::new(format_args!("signing key {place} of the webhooks has white space around it")));
    }
    Ok(SharedSecret::new(key.as_bytes()))
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys").field("count", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_must_not_run() {
        assert!(SigningKeys::new([""; 0]).is_err(), "none");
        for bad in ["", " ", "secret\n", " secret"] {
            let error = SigningKeys::new(["good", bad]).unwrap_err();
            assert!(error.to_string().contains("key 2"), "{error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
        assert!(SigningKeys::new(["a"]).is_ok());
    }

    #[test]
    fn nothing_of_a_key_is_shown() {
        assert_eq!(format!("{:?}", SigningKeys::new(["secret", "b"]).unwrap()), "SigningKeys { count: 2, .. }");
    }
}
