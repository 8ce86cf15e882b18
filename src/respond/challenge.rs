//! The `WWW-Authenticate: Bearer` challenge (RFC 6750 section 3, RFC 9728 section 5.1).
//!
//! Its parts are types that can hold only what may stand between two quotes, so that nothing in here can end a
//! quoted-string or a header line.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use crate::error::ConfigError;
use crate::scope::Scope;

/// Text that may stand between quotes in a challenge: printable ASCII without quote and backslash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quotable(Arc<str>);

impl Quotable {
    pub(crate) fn new(what: &str, text: &str) -> Result<Self, ConfigError> {
        if text.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E)) {
            Ok(Self(text.into()))
        } else {
            Err(ConfigError::new(format_args!(
                "{what} {text:?} cannot stand in a challenge: printable ASCII without quote and backslash"
            )))
        }
    }
}

/// The `error` codes of RFC 6750 section 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request is malformed: 400.
    InvalidRequest,
    /// The token is expired, revoked, malformed or not valid here: 401.
    InvalidToken,
    /// The token is valid and does not allow this: 403.
    InsufficientScope,
}

impl ErrorCode {
    /// The code as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }
}

/// What every challenge of one server has in common.
#[derive(Clone, Debug)]
pub(crate) struct ChallengeSettings {
    pub(crate) realm: Quotable,
    pub(crate) resource_metadata: Option<Quotable>,
}

/// One challenge, ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct Challenge<'a> {
    pub(crate) settings: &'a ChallengeSettings,
    pub(crate) error: Option<ErrorCode>,
    pub(crate) description: Option<&'static str>,
    pub(crate) scopes: &'a [Scope],
}

impl Challenge<'_> {
    pub(crate) fn to_header_value(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.to_string()).ok()
    }
}

impl fmt::Display for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer realm=\"{}\"", self.settings.realm.0)?;
        if let Some(error) = self.error {
            write!(f, ", error=\"{}\"", error.as_str())?;
        }
        if let Some(description) = self.description {
            write!(f, ", error_description=\"{description}\"")?;
        }
        if let Some((first, rest)) = self.scopes.split_first() {
            write!(f, ", scope=\"{first}")?;
            for scope in rest {
                write!(f, " {scope}")?;
            }
            f.write_str("\"")?;
        }
        if let Some(url) = &self.settings.resource_metadata {
            write!(f, ", resource_metadata=\"{}\"", url.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(realm: &str) -> Result<ChallengeSettings, ConfigError> {
        Ok(ChallengeSettings { realm: Quotable::new("realm", realm)?, resource_metadata: None })
    }

    #[test]
    fn writes_each_parameter_once() {
        let settings = ChallengeSettings {
            resource_metadata: Some(
                Quotable::new("url", "https://api.example.com/.well-known/oauth-protected-resource").unwrap(),
            ),
            ..settings("https://api.example.com").unwrap()
        };
        let scopes = [Scope::new("a").unwrap(), Scope::new("b").unwrap()];
        let challenge = Challenge {
            settings: &settings,
            error: Some(ErrorCode::InsufficientScope),
            description: None,
            scopes: &scopes,
        };
        assert_eq!(
            challenge.to_string(),
            "Bearer realm=\"https://api.example.com\", error=\"insufficient_scope\", scope=\"a b\", \
             resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource\""
        );
    }

    #[test]
    fn nothing_that_ends_a_quoted_string_gets_in() {
        for bad in ["a\"b", "a\\", "a\r\nx: y", "é", "\0"] {
            assert!(settings(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_challenge_is_one_header_with_balanced_quotes(realm in any::<String>(), scope in any::<String>()) {
            let (Ok(settings), Ok(scope)) = (settings(&realm), Scope::new(&scope)) else { return Ok(()) };
            let challenge = Challenge { settings: &settings, error: Some(ErrorCode::InvalidToken), description: Some("x"), scopes: &[scope] };
            let value = challenge.to_header_value().expect("a challenge is a header value");
            prop_assert_eq!(value.to_str().unwrap().matches('"').count(), 8);
        }
    }
}
