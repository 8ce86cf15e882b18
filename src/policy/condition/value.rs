//! The value that a claim is compared with.

use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::json::Object;
use crate::name::Quoted;
use crate::policy::parse::{ParseError, Reader, Token};

/// The value that a claim is compared with: a string, a boolean or an integer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClaimValue(ClaimKind);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum ClaimKind {
    Text(Box<str>),
    Bool(bool),
    Integer(i64),
}

impl ClaimValue {
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let kind = match reader.peek() {
            Token::Text(text) => Some(ClaimKind::Text(text.as_str().into())),
            Token::Word("true") => Some(ClaimKind::Bool(true)),
            Token::Word("false") => Some(ClaimKind::Bool(false)),
            Token::Word(number) => number.parse().ok().map(ClaimKind::Integer),
            _ => None,
        };
        let kind = kind.ok_or_else(|| reader.expected("a string, an integer, `true` or `false`"))?;
        reader.advance();
        Ok(Self(kind))
    }

    pub(super) fn is(&self, claims: &Object<'_>, name: &str) -> bool {
        match &self.0 {
            ClaimKind::Text(text) => claims.is_text(name, text),
            ClaimKind::Bool(value) => claims.read::<bool>(name).is_ok_and(|found| found == Some(*value)),
            ClaimKind::Integer(value) => claims.read::<i64>(name).is_ok_and(|found| found == Some(*value)),
        }
    }

    pub(super) fn is_in(&self, claims: &Object<'_>, name: &str) -> bool {
        let Ok(Some(members)) = claims.read::<Vec<Member>>(name) else { return false };
        members.iter().any(|member| match (&self.0, member) {
            (ClaimKind::Text(text), Member::Text(found)) => **text == **found,
            (ClaimKind::Bool(value), Member::Bool(found)) => value == found,
            (ClaimKind::Integer(value), Member::Integer(found)) => value == found,
            _ => false,
        })
    }
}

/// One member of an array.
#[derive(Deserialize)]
#[serde(untagged)]
enum Member {
    Text(String),
    Bool(bool),
    Integer(i64),
    Other(IgnoredAny),
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
            ClaimKind::Text(text) => Quoted(text).fmt(f),
            ClaimKind::Bool(value) => value.fmt(f),
            ClaimKind::Integer(value) => value.fmt(f),
        }
    }
}
