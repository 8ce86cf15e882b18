//! Whose subjects a decision point can tell apart.

use crate::error::ConfigError;

/// The issuer entries whose subjects a [`DecisionPoint`](super::DecisionPoint) can tell apart.
///
/// Ids of subjects and organizations are unique only within one issuer. A server rejects to start with a point that would
/// take the subject of one issuer for that of another.
///
/// ```
/// use orgate::decision::{Decision, DecisionFuture, DecisionPoint, DecisionRequest, KnownIssuers};
///
/// /// Knows employees only, by their id.
/// struct Employees;
///
/// impl DecisionPoint for Employees {
///     fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a> {
///         let decision = if request.subject_id() == "alice" { Decision::allow() } else { Decision::deny() };
///         Box::pin(std::future::ready(Ok(decision)))
///     }
///
///     fn known_issuers(&self) -> KnownIssuers {
///         KnownIssuers::named("staff")
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownIssuers(Known);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    All,
    Named(Box<str>),
    Single,
}

impl KnownIssuers {
    /// Returns every entry: the point identifies subjects by issuer and id.
    #[must_use]
    pub const fn all() -> Self {
        Self(Known::All)
    }

    /// Returns the entry with this name. For subjects of other entries the point returns an error, not a denial.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(Known::Named(name.into()))
    }

    /// Returns the only entry, whatever its name: the point sees ids without an issuer.
    #[must_use]
    pub const fn single() -> Self {
        Self(Known::Single)
    }

    /// Checks the point against all entries of a new server.
    pub(crate) fn check(&self, entries: &[&str]) -> Result<(), ConfigError> {
        match &self.0 {
            Known::Named(name) if !entries.contains(&&**name) => Err(ConfigError::new(format_args!(
                "decision_point: it knows the subjects of issuer {name:?}, but this server has {entries:?}"
            ))),
            Known::Single if entries.len() > 1 => Err(ConfigError::new(format_args!(
                "decision_point: it is asked about bare ids, and this server has the issuers {entries:?}, which may use one id \
                 for two people: state whose subjects it knows: `issued_by` of a client of Permit.io, `issuer` in a table [decision_point], \
                 `KnownIssuers::named` of a point of your own"
            ))),
            _ => Ok(()),
        }
    }

    /// Checks the point against an entry that is added at run time. It does not know the subjects of an entry that is to
    /// come, even under a name that it knows.
    pub(crate) fn check_added(&self, entry: &str) -> Result<(), ConfigError> {
        let reason = match &self.0 {
            Known::Single => "is asked about bare ids: state whose subjects it knows",
            Known::Named(name) if **name == *entry => "knows the subjects of the entry that had this name before",
            _ => return Ok(()),
        };
        Err(ConfigError::new(format_args!("issuer {entry:?}: the decision point {reason}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_sees_bare_ids_serves_one_entry() {
        for (known, entries, fits) in [
            (KnownIssuers::all(), &["a", "b"][..], true),
            (KnownIssuers::single(), &["a"], true),
            (KnownIssuers::single(), &["a", "b"], false),
            (KnownIssuers::named("a"), &["a", "b"], true),
            (KnownIssuers::named("c"), &["a", "b"], false),
            (KnownIssuers::named("c"), &["a"], false),
        ] {
            assert_eq!(known.check(entries).is_ok(), fits, "{known:?} {entries:?}");
        }
    }

    #[test]
    fn an_added_entry_is_another_one_under_any_name() {
        for (known, entry, fits) in [
            (KnownIssuers::all(), "a", true),
            (KnownIssuers::single(), "a", false),
            (KnownIssuers::named("a"), "a", false),
            (KnownIssuers::named("a"), "b", true),
        ] {
            assert_eq!(known.check_added(entry).is_ok(), fits, "{known:?} {entry}");
        }
    }
}
