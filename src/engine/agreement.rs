//! What a policy says that is judged and not enforced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::outcome::Outcome;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::scope::Scope;

/// The result of a policy that is evaluated without being enforced, compared with the actual decision: see
/// [`Policy::shadow`](crate::Policy::shadow) and
/// [`Policy::dangerous_shadow_only`](crate::Policy::dangerous_shadow_only).
#[derive(Clone, Copy, Debug)]
pub struct ShadowRecord<'a> {
    pub(super) policy: &'a Arc<str>,
    pub(super) verdict: &'a Verdict,
    pub(super) agreement: Agreement,
}

/// How such a policy agrees with the actual decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Agreement {
    /// It says the same: the request passes, or is rejected with the same kind and remediation.
    Same,
    /// The request was not allowed, and would pass.
    WouldAllow,
    /// The request passed, or was not decided, and would be rejected.
    WouldDeny,
    /// The request was rejected, and would be rejected with another kind or remediation.
    WouldDiffer,
    /// It could not be decided: it needs what the decision did not, and that did not come in time.
    Undecided,
}

/// Counts how often policies that are not enforced agreed with the actual decisions, since the server was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShadowCounts {
    /// See [`Agreement::Same`].
    pub same: u64,
    /// See [`Agreement::WouldAllow`].
    pub would_allow: u64,
    /// See [`Agreement::WouldDeny`].
    pub would_deny: u64,
    /// See [`Agreement::WouldDiffer`].
    pub would_differ: u64,
    /// See [`Agreement::Undecided`].
    pub undecided: u64,
}

/// The same, as it grows.
#[derive(Debug, Default)]
pub(crate) struct Agreements([AtomicU64; 5]);

/// What such a policy says.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) rejection: Option<Rejection>,
    /// The clause that passed.
    pub(super) clause: Option<Arc<str>>,
}

impl Verdict {
    pub(super) const fn allow(clause: Option<Arc<str>>) -> Self {
        Self { rejection: None, clause }
    }
}

impl From<Rejection> for Verdict {
    fn from(rejection: Rejection) -> Self {
        let clause = rejection.clause().cloned();
        Self { rejection: Some(rejection), clause }
    }
}

impl Agreement {
    pub(super) fn between(enforced: Option<&Rejection>, shadow: Option<&Rejection>) -> Self {
        match (Outcome::of(enforced), Outcome::of(shadow)) {
            (Outcome::Undecided, Outcome::Undecided) | (Outcome::Allow, Outcome::Allow) => Self::Same,
            (_, Outcome::Undecided) => Self::Undecided,
            (_, Outcome::Allow) => Self::WouldAllow,
            (Outcome::Deny, Outcome::Deny) => {
                let said = |rejection: Option<&Rejection>| rejection.map(|it| (it.kind(), it.remediation()));
                if said(enforced) == said(shadow) { Self::Same } else { Self::WouldDiffer }
            }
            (_, Outcome::Deny) => Self::WouldDeny,
        }
    }

    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::WouldAllow => "would_allow",
            Self::WouldDeny => "would_deny",
            Self::WouldDiffer => "would_differ",
            Self::Undecided => "undecided",
        }
    }
}

impl Agreements {
    pub(super) fn count(&self, agreement: Agreement) {
        if let Some(count) = self.0.get(agreement as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> ShadowCounts {
        let [same, would_allow, would_deny, would_differ, undecided] =
            self.0.each_ref().map(|count| count.load(Ordering::Relaxed));
        ShadowCounts { same, would_allow, would_deny, would_differ, undecided }
    }
}

impl<'a> ShadowRecord<'a> {
    /// Returns the policy as it is printed.
    #[must_use]
    pub fn policy(&self) -> &'a str {
        self.policy
    }

    /// Returns how it agrees with the decision that was made.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        self.agreement
    }

    /// Returns how it would have decided.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::of(self.rejection())
    }

    fn rejection(&self) -> Option<&'a Rejection> {
        self.verdict.rejection.as_ref()
    }

    /// Returns the kind of its rejection; `None` if the request would pass.
    #[must_use]
    pub fn kind(&self) -> Option<RejectionKind> {
        self.rejection().map(Rejection::kind)
    }

    /// Returns what the client could do about its rejection; `None` if the request would pass.
    #[must_use]
    pub fn remediation(&self) -> Option<Remediation> {
        self.rejection().map(Rejection::remediation)
    }

    /// Returns the precise reason of its rejection.
    #[must_use]
    pub fn detail(&self) -> Option<&'a str> {
        self.rejection().map(Rejection::detail)
    }

    /// Returns the scopes that it misses.
    #[must_use]
    pub fn missing_scopes(&self) -> &'a [Scope] {
        self.rejection().map_or(&[], Rejection::missing_scopes)
    }

    /// Returns its clause that passed or came nearest, as it is printed.
    #[must_use]
    pub fn clause(&self) -> Option<&'a str> {
        self.verdict.clause.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_of_outcomes_has_its_word_and_its_count() {
        let rejection = |kind| Rejection::new(kind, Remediation::None, "x");
        let denied = rejection(RejectionKind::Denied);
        let scope = rejection(RejectionKind::InsufficientScope);
        let refresh = Rejection::new(RejectionKind::Denied, Remediation::Refresh, "x");
        let unknown = rejection(RejectionKind::Unavailable);
        let agreements = Agreements::default();
        for (enforced, shadow, expected) in [
            (None, None, Agreement::Same),
            (Some(&denied), Some(&denied), Agreement::Same),
            (Some(&unknown), Some(&unknown), Agreement::Same),
            (Some(&denied), None, Agreement::WouldAllow),
            (Some(&unknown), None, Agreement::WouldAllow),
            (None, Some(&denied), Agreement::WouldDeny),
            (Some(&unknown), Some(&denied), Agreement::WouldDeny),
            (Some(&denied), Some(&scope), Agreement::WouldDiffer),
            (Some(&denied), Some(&refresh), Agreement::WouldDiffer),
            (None, Some(&unknown), Agreement::Undecided),
            (Some(&denied), Some(&unknown), Agreement::Undecided),
        ] {
            assert_eq!(Agreement::between(enforced, shadow), expected);
            agreements.count(expected);
        }
        let expected = ShadowCounts { same: 3, would_allow: 2, would_deny: 2, would_differ: 2, undecided: 2 };
        assert_eq!(agreements.read(), expected);
    }
}
