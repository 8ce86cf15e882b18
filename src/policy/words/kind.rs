//! Words about the kind of the subject.

use crate::policy::condition::{Condition, Kind};
use crate::policy::value::Policy;
use crate::token::SubjectKind;

/// The token speaks for a user.
pub fn user() -> Policy {
    word(SubjectKind::User)
}

/// The token speaks for a machine: a client on its own behalf.
pub fn machine() -> Policy {
    word(SubjectKind::Machine)
}

fn word(kind: SubjectKind) -> Policy {
    Policy::conditional(Ok(Condition::Kind(Kind(kind))))
}

impl Policy {
    /// Users only.
    pub fn user(self) -> Self {
        self.and(user())
    }

    /// Machines only.
    pub fn machine(self) -> Self {
        self.and(machine())
    }
}
