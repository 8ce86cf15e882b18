//! What an event makes untrue.

use super::kind::EventKind;

/// Which knowledge about permissions an event makes untrue. All of it is about one issuer entry: the one whose hook it is.
///
/// | event | effect |
/// |---|---|
/// | `User.Deleted`, `User.SuspensionStatus.Updated` | [`Subject`](Self::Subject) |
/// | `Organization.Membership.Updated` | [`Members`](Self::Members); unless it names them all, [`Organization`](Self::Organization) |
/// | `Organization.Deleted`, `Organization.Data.Updated` | [`Organization`](Self::Organization) |
/// | `OrganizationRole.*`, `OrganizationScope.*` | [`OrganizationTemplate`](Self::OrganizationTemplate) |
/// | `Role.*`, `Scope.*` | [`ApiPermissions`](Self::ApiPermissions) |
/// | every other, and one that lacks the id it is about | [`Nothing`](Self::Nothing) |
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect<'a> {
    /// All that is known about this subject.
    Subject(&'a str),
    /// What is known about these members in this organization.
    #[non_exhaustive]
    Members {
        /// The organization's id.
        organization: &'a str,
        /// Ids of users.
        users: Vec<&'a str>,
        /// Ids of applications, which are the subjects of machines.
        applications: Vec<&'a str>,
    },
    /// All that is known about anybody in this organization.
    Organization(&'a str),
    /// What is known about anybody in any organization: the template of their roles is shared. The API permissions of
    /// organization roles are part of it.
    OrganizationTemplate,
    /// All API permissions, global ones and those within an organization.
    ApiPermissions,
    /// Nothing.
    Nothing,
}

impl<'a> Effect<'a> {
    pub(super) fn of(kind: &'a EventKind) -> Self {
        match kind {
            EventKind::UserDeleted { user } | EventKind::UserSuspensionUpdated { user, .. } => Self::Subject(user),
            EventKind::OrganizationDeleted { organization } | EventKind::OrganizationDataUpdated { organization } => {
                Self::Organization(organization)
            }
            EventKind::OrganizationMembershipUpdated(change) if change.is_complete() => Self::Members {
                organization: change.organization(),
                users: change.added_users().chain(change.removed_users()).collect(),
                applications: change.added_applications().chain(change.removed_applications()).collect(),
            },
            EventKind::OrganizationMembershipUpdated(change) => Self::Organization(change.organization()),
            EventKind::OrganizationRole(_) | EventKind::OrganizationScope(_) => Self::OrganizationTemplate,
            EventKind::Role(_) | EventKind::Scope(_) => Self::ApiPermissions,
            EventKind::PostRegister
            | EventKind::PostSignIn
            | EventKind::PostResetPassword
            | EventKind::IdentifierLockout
            | EventKind::UserCreated
            | EventKind::UserDataUpdated
            | EventKind::OrganizationCreated
            | EventKind::Other => Self::Nothing,
        }
    }
}
