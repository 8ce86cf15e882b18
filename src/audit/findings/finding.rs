//! One thing that does not fit.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::kind::{FindingKind, Severity};

/// A mismatch between code and tenant, with its places in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub kind: FindingKind,
    /// What is the matter, in one sentence.
    pub message: String,
    /// The places in the code: routes, with the clause of the policy where it is one.
    pub code: Vec<String>,
    /// The places in the tenant: roles, permissions, resources, organizations.
    pub tenant: Vec<String>,
}

impl Finding {
    pub(in crate::audit) fn new(kind: FindingKind, message: impl fmt::Display) -> Self {
        let (code, tenant) = (Vec::new(), Vec::new());
        Self { severity: kind.severity(), kind, message: message.to_string(), code, tenant }
    }

    pub(in crate::audit) fn code(mut self, places: impl IntoIterator<Item = String>) -> Self {
        self.code.extend(places);
        self
    }

    pub(in crate::audit) fn tenant(mut self, places: impl IntoIterator<Item = String>) -> Self {
        self.tenant.extend(places);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]: {}", self.severity, self.kind, self.message)
    }
}
