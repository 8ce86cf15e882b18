//! What every condition can do, and when it is judged.

use std::fmt;

use crate::error::ConfigError;
use crate::explain::StepName;
use crate::policy::describe::ConditionDescription;
use crate::policy::parse::{ParseError, Reader};
use crate::policy::refusal::Refusal;
use crate::policy::scene::Scene;

/// When a condition is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum Stage {
    Kind,
    Bound,
    Clients,
    Claims,
    Acr,
    AuthAge,
    /// The scopes of the clause's core, beside what the subject holds now.
    Scopes,
    Details,
    Checks,
    Decisions,
}

impl Stage {
    pub(super) const fn step(self) -> StepName {
        match self {
            Self::Kind => StepName::SubjectKind,
            Self::Bound => StepName::Bound,
            Self::Clients => StepName::Client,
            Self::Claims => StepName::Claim,
            Self::Acr => StepName::Acr,
            Self::AuthAge => StepName::AuthAge,
            Self::Scopes => StepName::Scopes,
            Self::Details => StepName::AuthorizationDetail,
            Self::Checks => StepName::Check,
            Self::Decisions => StepName::Decision,
        }
    }
}

/// What a condition can do.
pub(in crate::policy) trait Rule: Sized + fmt::Display {
    const STAGE: Stage;

    /// Both at once.
    ///
    /// # Errors
    ///
    /// Returns an error if they exclude each other.
    fn and(self, other: Self) -> Result<Self, ConfigError>;

    /// Reads the condition if it begins here.
    fn parse(reader: &mut Reader<'_>) -> Result<Option<Self>, ParseError>;

    fn describe(&self, into: &mut Vec<ConditionDescription>);

    fn judge(&self, scene: &mut Scene<'_, '_>) -> Result<(), Refusal>;

    /// What the token or the request has, where that can be told before the condition is judged.
    fn found(&self, _: &Scene<'_, '_>) -> Option<String> {
        None
    }
}

/// Several of one kind.
pub(super) fn joined<T: fmt::Display>(f: &mut fmt::Formatter<'_>, rules: &[T]) -> fmt::Result {
    for (index, rule) in rules.iter().enumerate() {
        write!(f, "{}{rule}", if index == 0 { "" } else { " and " })?;
    }
    Ok(())
}
