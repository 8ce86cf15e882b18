//! Who says what a tenant defines.

use super::error::DirectoryError;
use super::tenant::Tenant;
use crate::future::BoxFuture;

/// Says what a tenant defines. [`LogtoManagement`](crate::logto::LogtoManagement) is one, a
/// [`TenantFile`](super::TenantFile) and a [`Tenant`] itself are others.
pub trait Directory: Send + Sync {
    /// Reads the tenant, all of it or nothing: what cannot be read is an error, never a shorter list.
    fn read(&self, wanted: Wanted) -> BoxFuture<'_, Result<Tenant, DirectoryError>>;
}

/// Selects the parts of a tenant to read, in addition to resources, permissions and roles.
///
/// ```
/// use orgate::audit::Wanted;
///
/// assert!(Wanted::everything().members);
/// assert!(!Wanted::roles_only().organizations);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wanted {
    /// The organizations, with the roles that members receive on joining.
    pub organizations: bool,
    /// Who holds the roles.
    pub members: bool,
}

impl Default for Wanted {
    /// The organizations, and not their members.
    fn default() -> Self {
        Self { organizations: true, members: false }
    }
}

impl Wanted {
    /// Returns what is needed to name users and machines: organizations and members.
    #[must_use]
    pub const fn everything() -> Self {
        Self { organizations: true, members: true }
    }

    /// Returns what needs the fewest calls: resources, permissions and roles.
    #[must_use]
    pub const fn roles_only() -> Self {
        Self { organizations: false, members: false }
    }
}
