//! How a request was decided.

use crate::rejection::Rejection;

/// The outcome of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The request passed.
    Allow,
    /// The request was rejected: 400, 401, 403 or 404.
    Deny,
    /// The request could not be decided: 500 or 503.
    Undecided,
}

impl Outcome {
    pub(super) fn of(rejection: Option<&Rejection>) -> Self {
        match rejection {
            None => Self::Allow,
            Some(rejection) if rejection.status().is_server_error() => Self::Undecided,
            Some(_) => Self::Deny,
        }
    }

    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Undecided => "undecided",
        }
    }
}
