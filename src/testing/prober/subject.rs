//! Who is sent, and where its tokens come from.

use std::fmt;

use crate::audit::{DirectoryError, RoleLevel, RoleSummary, SubjectType};
use crate::future::BoxFuture;

/// A subject that holds one role, or none.
///
/// ```
/// use orgate::audit::SubjectType;
/// use orgate::testing::ProbeSubject;
///
/// let user_without_a_role = ProbeSubject::new(SubjectType::User, []);
/// assert_eq!(user_without_a_role.to_string(), "user without a role");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ProbeSubject {
    /// What it is.
    pub subjects: SubjectType,
    /// The roles that it holds: none, or the one of a column.
    pub roles: Vec<(RoleLevel, String)>,
}

impl ProbeSubject {
    /// Returns a subject that holds these roles and no other.
    pub fn new<'a>(subjects: SubjectType, roles: impl IntoIterator<Item = &'a RoleSummary>) -> Self {
        Self { subjects, roles: roles.into_iter().map(|role| (role.level, role.name.clone())).collect() }
    }
}

impl fmt::Display for ProbeSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.roles.is_empty() {
            return write!(f, "{} without a role", self.subjects);
        }
        let roles: Vec<String> = self.roles.iter().map(|(level, name)| format!("{level} role {name:?}")).collect();
        write!(f, "{} with {}", self.subjects, roles.join(" and "))
    }
}

/// Gets tokens for a [`Prober`](super::Prober): [`TenantTokens`](super::TenantTokens) of a tenant in the test process; for a
/// staging tenant, an implementation that signs in as users that were made for the purpose.
pub trait RoleTokens: Send + Sync {
    /// Returns every token that a holder of these roles alone can get: for each resource, for the organization, and for each
    /// resource within the organization, with every scope. A token that is not granted is left out.
    fn tokens<'a>(&'a self, subject: &'a ProbeSubject) -> BoxFuture<'a, Result<Vec<String>, DirectoryError>>;
}
