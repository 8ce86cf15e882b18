//! In which form a log names the subject of a token.

use std::fmt;
use std::fmt::Write as _;

use crate::error::ConfigError;
use crate::signature::SharedSecret;
use crate::token::Subject;

/// The shortest key of a keyed hash, in bytes.
const SHORTEST_KEY: usize = 16;
/// As many octets of the hash as tell subjects apart.
const KEPT: usize = 16;

/// The form in which a log names the subject of a token.
///
/// ```
/// use orgate::observe::{JsonLines, SubjectForm};
///
/// let log = JsonLines::builder().subject(SubjectForm::keyed_hash("a key of 16 bytes or more")?).stdout();
/// # _ = log;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone, Default)]
pub struct SubjectForm(Form);

#[derive(Clone, Default)]
enum Form {
    #[default]
    None,
    Hash(Box<SharedSecret>),
    Plain,
}

impl SubjectForm {
    /// Omits the subject. The default.
    #[must_use]
    pub const fn none() -> Self {
        Self(Form::None)
    }

    /// Names the subject by a keyed hash (HMAC-SHA256, its first 16 octets in hexadecimal) over issuer entry and
    /// subject. The lines of one subject can be found together by anyone who has the key or one of the lines.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if the key has fewer than 16 bytes.
    pub fn keyed_hash(key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let key = key.as_ref();
        if key.len() < SHORTEST_KEY {
            let length = key.len();
            return Err(ConfigError::new(format_args!(
                "the key of a subject hash has {length} bytes, not {SHORTEST_KEY}"
            )));
        }
        Ok(Self(Form::Hash(Box::new(SharedSecret::new(key)))))
    }

    /// Names the subject as in the token: personal data.
    #[must_use]
    pub const fn plain() -> Self {
        Self(Form::Plain)
    }

    pub(super) fn of(&self, subject: &Subject) -> Option<String> {
        match &self.0 {
            Form::None => None,
            Form::Plain => Some(subject.id().to_owned()),
            Form::Hash(key) => {
                let issuer = subject.issuer_name();
                // The length of the one keeps the two apart.
                let message = [&(issuer.len() as u64).to_le_bytes()[..], issuer.as_bytes(), subject.id().as_bytes()];
                let tag = key.tag(&message.concat());
                let mut text = String::with_capacity(2 * KEPT);
                for octet in tag.iter().take(KEPT) {
                    // Writing to a string does not fail.
                    let _ = write!(text, "{octet:02x}");
                }
                Some(text)
            }
        }
    }
}

impl fmt::Debug for SubjectForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Form::None => "SubjectForm::none",
            Form::Hash(_) => "SubjectForm::keyed_hash",
            Form::Plain => "SubjectForm::plain",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::SubjectKind;

    fn subject(issuer: &str, id: &str) -> Subject {
        Subject::new(issuer.into(), id.into(), SubjectKind::User)
    }

    #[test]
    fn each_form_says_as_much_as_it_promises() {
        let alice = subject("main", "alice");
        assert_eq!(SubjectForm::none().of(&alice), None);
        assert_eq!(SubjectForm::plain().of(&alice).as_deref(), Some("alice"));
        let hash = SubjectForm::keyed_hash("0123456789abcdef").unwrap();
        let hashed = hash.of(&alice).unwrap();
        assert_eq!((hashed.len(), hash.of(&alice)), (32, Some(hashed.clone())));
        let other = SubjectForm::keyed_hash("0123456789abcdeg").unwrap();
        for different in [hash.of(&subject("main", "bob")), hash.of(&subject("maina", "lice")), other.of(&alice)] {
            assert_ne!(different, Some(hashed.clone()));
        }
        assert!(!format!("{hash:?}").contains("0123"));
    }

    #[test]
    fn a_short_key_is_a_config_error() {
        assert!(SubjectForm::keyed_hash("0123456789abcde").unwrap_err().to_string().contains("15 bytes"));
    }
}
