//! Whether a user or a machine calls.

use std::fmt;

use super::rule::{Rule, Stage};
use crate::error::ConfigError;
use crate::policy::describe::ConditionDescription;
use crate::policy::parse::{ParseError, Reader};
use crate::policy::refusal::Refusal;
use crate::policy::scene::Scene;
use crate::token::SubjectKind;

/// The kind that the token's subject must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Kind(pub(in crate::policy) SubjectKind);

impl Kind {
    fn as_str(self) -> &'static str {
        if self.0 == SubjectKind::Machine { "machine" } else { "user" }
    }
}

impl Rule for Kind {
    const STAGE: Stage = Stage::Kind;

    fn and(self, other: Self) -> Result<Self, ConfigError> {
        if self == other {
            return Ok(self);
        }
        Err(ConfigError::new(format_args!("({self}) and ({other}) contradict each other")))
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        let kinds = [("user", SubjectKind::User), ("machine", SubjectKind::Machine)];
        Ok(kinds.into_iter().find(|(word, _)| reader.take(word)).map(|(_, kind)| Self(kind)))
    }

    fn describe(&self, into: &mut Vec<ConditionDescription>) {
        into.push(ConditionDescription::SubjectKind { subject: self.as_str() });
    }

    fn judge(&self, scene: &mut Scene<'_, '_>) -> Result<(), Refusal> {
        if scene.token.subject().kind() == self.0 { Ok(()) } else { Err(Refusal::Kind) }
    }

    fn found(&self, scene: &Scene<'_, '_>) -> Option<String> {
        Some(format!("the subject is {}", scene.token.subject().kind().as_str()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
