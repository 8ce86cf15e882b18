//! Text that may stand in a challenge.

use std::sync::Arc;

use crate::error::ConfigError;
use crate::scope::misread_in;

/// Text that may stand between quotes in a challenge: printable ASCII without quote and backslash, and without anything
/// that a client could take for a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quotable(Arc<str>);

impl Quotable {
    pub(crate) fn new(what: &str, text: &str) -> Result<Self, ConfigError> {
        if !text.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E)) {
            return Err(ConfigError::new(format_args!(
                "{what} {text:?} cannot stand in a challenge: use printable ASCII without quote and backslash"
            )));
        }
        match misread_in(text) {
            Some(name) => Err(ConfigError::new(format_args!(
                "{what} {text:?} cannot stand in a challenge: clients would read `{name}=` in it as a parameter"
            ))),
            None => Ok(Self(text.into())),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_ends_a_quoted_string_is_rejected() {
        for bad in ["a\"b", "a\\", "a\r\nx: y", "é", "\0"] {
            assert!(Quotable::new("realm", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn text_that_clients_take_for_a_parameter_is_rejected() {
        for bad in ["scope=q", "api error=x", "my-SCOPE=admin", "https://api.example.com/?realm=a"] {
            let error = Quotable::new("realm", bad).unwrap_err().to_string();
            assert!(error.contains("as a parameter"), "{bad}: {error}");
        }
        for good in ["https://api.example.com/?tenant=a", "a = b", "scope", "orders"] {
            assert!(Quotable::new("realm", good).is_ok(), "{good}");
        }
    }
}
