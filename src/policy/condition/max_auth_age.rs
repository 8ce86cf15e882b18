//! How long ago the user may have signed in.

use std::fmt;
use std::time::Duration;

use super::rule::{Rule, Stage};
use crate::error::ConfigError;
use crate::name::Span;
use crate::policy::describe::ConditionDescription;
use crate::policy::parse::{ParseError, Reader};
use crate::policy::refusal::Refusal;
use crate::policy::scene::Scene;
use crate::rejection::LONGEST_AGE;
use crate::time::Now;
use crate::token::AccessToken;

/// The user signed in at most so long ago.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct MaxAuthAge(Duration);

impl MaxAuthAge {
    /// # Errors
    ///
    /// Returns an error if it is not in whole seconds, too short for anybody to meet it, or longer than a challenge may
    /// say.
    pub(in crate::policy) fn new(age: Duration) -> Result<Self, (String, ConfigError)> {
        let is_good = age.subsec_nanos() == 0 && (Duration::from_secs(1)..=LONGEST_AGE).contains(&age);
        if is_good {
            return Ok(Self(age));
        }
        let fault = format_args!("max-auth-age {age:?}: not in whole seconds from 1s to {LONGEST_AGE:?}");
        Err((Self(age).to_string(), ConfigError::new(fault)))
    }

    pub(in crate::policy) const fn age(self) -> Duration {
        self.0
    }

    /// Whether a token meets it now. Time alone changes that.
    pub(in crate::policy) fn is_met(self, token: &AccessToken, now: Now) -> bool {
        token.authentication().is_some_and(|authentication| authentication.is_within(self.0, now))
    }
}

impl Rule for MaxAuthAge {
    const STAGE: Stage = Stage::AuthAge;

    fn and(self, other: Self) -> Result<Self, ConfigError> {
        Ok(Self(self.0.min(other.0)))
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if !reader.take("max-auth-age") {
            return Ok(None);
        }
        let at = reader.mark();
        let age = reader.duration()?;
        Self::new(age).map(Some).map_err(|(_, fault)| reader.contradiction(at, fault))
    }

    fn describe(&self, into: &mut Vec<ConditionDescription>) {
        into.push(ConditionDescription::MaxAuthAge { max: self.0 });
    }

    fn judge(&self, scene: &mut Scene<'_, '_>) -> Result<(), Refusal> {
        if self.is_met(scene.token, scene.now) { Ok(()) } else { Err(Refusal::sign_in(scene.token, None)) }
    }

    fn found(&self, scene: &Scene<'_, '_>) -> Option<String> {
        let signed_in = scene.token.authentication().and_then(|authentication| authentication.auth_time);
        Some(match signed_in {
            Some(signed_in) => {
                let age = scene.now.unix.as_secs_f64() - signed_in.seconds();
                format!("the user signed in {age:.0} s ago")
            }
            None => "the token does not say when its user signed in".to_owned(),
        })
    }
}

impl fmt::Display for MaxAuthAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "max-auth-age {}", Span(self.0))
    }
}
