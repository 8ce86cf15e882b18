//! The value that a claim is compared with.

use std::fmt;
use std::sync::Arc;

/// The value that a `claim` must have: a string, a boolean or an integer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimValue(pub(super) ClaimKind);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClaimKind {
    Text(Arc<str>),
    Bool(bool),
    Integer(i64),
}

impl From<&str> for ClaimValue {
    fn from(text: &str) -> Self {
        Self(ClaimKind::Text(text.into()))
    }
}

impl From<String> for ClaimValue {
    fn from(text: String) -> Self {
        Self(ClaimKind::Text(text.into()))
    }
}

impl From<bool> for ClaimValue {
    fn from(value: bool) -> Self {
        Self(ClaimKind::Bool(value))
    }
}

impl From<i64> for ClaimValue {
    fn from(value: i64) -> Self {
        Self(ClaimKind::Integer(value))
    }
}

impl fmt::Display for ClaimValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ClaimKind::Text(text) => write!(f, "{text:?}"),
            ClaimKind::Bool(value) => write!(f, "{value}"),
            ClaimKind::Integer(value) => write!(f, "{value}"),
        }
    }
}
