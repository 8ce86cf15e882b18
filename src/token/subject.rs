//! Whom a token speaks for.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::scoped::{EntryName, ScopedId};

/// The subject of a token: an id that is meaningful only together with its issuer entry.
///
/// Equality and hash are over both, `Display` is the id.
#[derive(Clone, Debug)]
pub struct Subject {
    id: ScopedId,
    kind: SubjectKind,
}

/// The kind of a subject: a user, a machine, or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubjectKind {
    /// A user, through some client.
    User,
    /// A client on its own behalf: `sub` is the client's id.
    Machine,
    /// The issuer does not say. Neither `user()` nor `machine()` holds.
    Unknown,
}

impl SubjectKind {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Machine => "machine",
            Self::Unknown => "unknown",
        }
    }
}

impl Subject {
    pub(crate) fn new(entry: EntryName, id: Arc<str>, kind: SubjectKind) -> Self {
        Self { id: ScopedId { entry, id }, kind }
    }

    /// Returns the `sub` claim.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id.id
    }

    /// Returns the name of the issuer entry.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        self.id.entry.name()
    }

    /// Returns the first `iss` value of the issuer entry, which identifies it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.id.entry.iss()
    }

    pub(crate) fn entry(&self) -> &EntryName {
        &self.id.entry
    }

    pub(crate) fn shared_id(&self) -> &Arc<str> {
        &self.id.id
    }

    /// Returns the kind: user, machine or unknown.
    #[must_use]
    pub fn kind(&self) -> SubjectKind {
        self.kind
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Subject {}

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(issuer: &str, id: &str, kind: SubjectKind) -> Subject {
        Subject::new(issuer.into(), id.into(), kind)
    }

    #[test]
    fn a_subject_is_a_pair() {
        let alice = subject("a", "1", SubjectKind::User);
        assert_eq!(alice, subject("a", "1", SubjectKind::Unknown));
        assert_ne!(alice, subject("b", "1", SubjectKind::User));
        assert_ne!(alice, subject("a", "2", SubjectKind::User));
        assert_eq!(alice.to_string(), "1");
    }
}
