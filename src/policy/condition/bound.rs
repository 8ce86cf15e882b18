//! Whether the token is bound to a key or a certificate that its sender has proved to hold.

use std::fmt;

use super::rule::{Rule, Stage};
use crate::error::ConfigError;
use crate::policy::describe::ConditionDescription;
use crate::policy::parse::{ParseError, Reader};
use crate::policy::refusal::Refusal;
use crate::policy::scene::Scene;
use crate::rejection::Rejection;

/// What the token must be bound to; neither means either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Bound {
    pub(in crate::policy) to_key: bool,
    pub(in crate::policy) to_certificate: bool,
}

const WORDS: [(&str, Bound); 3] = [
    ("sender-constrained", Bound { to_key: false, to_certificate: false }),
    ("dpop", Bound { to_key: true, to_certificate: false }),
    ("mtls", Bound { to_key: false, to_certificate: true }),
];

impl Rule for Bound {
    const STAGE: Stage = Stage::Bound;

    fn and(self, other: Self) -> Result<Self, ConfigError> {
        Ok(Self { to_key: self.to_key || other.to_key, to_certificate: self.to_certificate || other.to_certificate })
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        Ok(WORDS.into_iter().find(|(word, _)| reader.take(word)).map(|(_, bound)| bound))
    }

    fn describe(&self, into: &mut Vec<ConditionDescription>) {
        let Self { to_key, to_certificate } = *self;
        into.push(ConditionDescription::SenderConstrained { to_key, to_certificate });
    }

    fn judge(&self, scene: &mut Scene<'_, '_>) -> Result<(), Refusal> {
        let Some(confirmation) = scene.token.confirmation() else {
            return Err(Rejection::invalid_token("the route requires a sender-constrained token").into());
        };
        if self.to_key && confirmation.key().is_none() {
            return Err(Rejection::invalid_token("the route requires a token that is bound to a key").into());
        }
        if self.to_certificate && confirmation.certificate().is_none() {
            return Err(Rejection::invalid_token("the route requires a token that is bound to a certificate").into());
        }
        Ok(())
    }

    fn found(&self, scene: &Scene<'_, '_>) -> Option<String> {
        let confirmation = scene.token.confirmation();
        let to_key = confirmation.is_some_and(|confirmation| confirmation.key().is_some());
        let to_certificate = confirmation.is_some_and(|confirmation| confirmation.certificate().is_some());
        Some(match (to_key, to_certificate) {
            (false, false) => "the token is bound to nothing".to_owned(),
            _ => format!("the token is {}", Self { to_key, to_certificate }),
        })
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.to_key, self.to_certificate) {
            (false, false) => "sender-constrained",
            (true, false) => "dpop",
            (false, true) => "mtls",
            (true, true) => "dpop and mtls",
        })
    }
}
