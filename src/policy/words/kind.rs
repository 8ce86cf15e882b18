//! Words about the kind of the subject.

use crate::policy::condition::{Condition, Kind};
use crate::policy::value::Policy;
use crate::token::SubjectKind;

/// Requires a token of a user.
pub fn user() -> Policy {
    word(SubjectKind::User)
}

/// Requires a token of a machine: a client that acts on its own behalf.
pub fn machine() -> Policy {
    word(SubjectKind::Machine)
}

fn word(kind: SubjectKind) -> Policy {
    Policy::conditional(Ok(Condition::Kind(Kind(kind))))
}

impl Policy {
    /// Adds [`user`]: accepts only tokens of users.
    pub fn user(self) -> Self {
        self.and(user())
    }

    /// Adds [`machine`]: accepts only tokens of machines.
    pub fn machine(self) -> Self {
        self.and(machine())
    }
}
