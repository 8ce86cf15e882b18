//! What an audit must not find.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;

use super::audit::Audit;
use super::findings::{Finding, FindingKind, Severity};

/// Rules about findings that an audit must not have, for a test or a CI step. Empty by default: nothing is denied.
///
/// ```
/// use orgate::audit::{FindingKind, Rules, Severity};
///
/// let rules = Rules::new()
///     .deny_all(Severity::Error)
///     .deny(FindingKind::RoleReachesEverything)
///     .separate("POST /payments", "POST /payments/{id}/approval");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Rules {
    denied: HashSet<FindingKind>,
    pub(super) apart: Vec<(String, String)>,
}

/// The findings that rules deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(Vec<Finding>);

impl Rules {
    /// Makes rules that deny nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Denies findings of this kind.
    pub fn deny(mut self, kind: FindingKind) -> Self {
        self.denied.insert(kind);
        self
    }

    /// Denies findings of every kind that is at least so bad.
    pub fn deny_all(mut self, severity: Severity) -> Self {
        self.denied.extend(FindingKind::ALL.iter().filter(|kind| kind.severity() <= severity));
        self
    }

    /// Accepts findings of this kind.
    pub fn allow(mut self, kind: FindingKind) -> Self {
        self.denied.remove(&kind);
        self
    }

    /// Denies that one role opens both of two routes, each named by method and path as in the table; and, if the members were
    /// read, that one person does by all of its roles. Routes of organizations count as both only within one organization.
    /// What is open under a condition counts as open.
    pub fn separate(mut self, one: impl Into<String>, other: impl Into<String>) -> Self {
        self.apart.push((one.into(), other.into()));
        self
    }
}

impl Audit {
    /// Checks that there is nothing that the rules deny.
    ///
    /// # Errors
    ///
    /// Returns all findings that the rules deny. A rule that names no route is one.
    pub fn check(&self, rules: &Rules) -> Result<(), Violations> {
        let denied = self.report.findings.iter().filter(|finding| rules.denied.contains(&finding.kind));
        let mut found: Vec<Finding> = denied.cloned().collect();
        found.extend(rules.apart.iter().flat_map(|(one, other)| self.separation(one, other)));
        if found.is_empty() { Ok(()) } else { Err(Violations(found)) }
    }
}

impl Violations {
    /// Returns the findings.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} findings that are denied", self.0.len())?;
        for finding in &self.0 {
            write!(f, "\n{finding}")?;
            let places = finding.code.iter().map(|place| ("code", place));
            let places = places.chain(finding.tenant.iter().map(|place| ("tenant", place)));
            for (side, place) in places {
                write!(f, "\n  {side}: {place}")?;
            }
        }
        Ok(())
    }
}

impl Error for Violations {}
