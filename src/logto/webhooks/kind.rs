//! What an event is about.

use super::membership::MembershipChange;
use crate::json::{Object, Text};
use crate::name::stable_names;

/// The kind of an event, by Logto's name, with the ids that orgate needs. Everything else is in the
/// [`payload`](super::Event::payload).
///
/// An event that lacks the id it is about is [`Other`](Self::Other) and changes nothing: the console's test button sends
/// such, validly signed and with invented values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// `PostRegister`.
    PostRegister,
    /// `PostSignIn`.
    PostSignIn,
    /// `PostResetPassword`.
    PostResetPassword,
    /// `Identifier.Lockout`.
    IdentifierLockout,
    /// `User.Created`, for one who registered and for one whom an administrator made.
    UserCreated,
    /// `User.Data.Updated`.
    UserDataUpdated,
    /// `User.Deleted`.
    #[non_exhaustive]
    UserDeleted {
        /// The user's id.
        user: Box<str>,
    },
    /// `User.SuspensionStatus.Updated`.
    #[non_exhaustive]
    UserSuspensionUpdated {
        /// The user's id.
        user: Box<str>,
        /// Whether the user is suspended now. `None` if the payload does not say.
        suspended: Option<bool>,
    },
    /// `Organization.Created`.
    OrganizationCreated,
    /// `Organization.Data.Updated`.
    #[non_exhaustive]
    OrganizationDataUpdated {
        /// The organization's id.
        organization: Box<str>,
    },
    /// `Organization.Deleted`.
    #[non_exhaustive]
    OrganizationDeleted {
        /// The organization's id.
        organization: Box<str>,
    },
    /// `Organization.Membership.Updated`: users or applications came or went.
    OrganizationMembershipUpdated(MembershipChange),
    /// `Organization.UserRoles.Updated`: roles of members in an organization.
    #[non_exhaustive]
    OrganizationUserRolesUpdated {
        /// The organization's id.
        organization: Box<str>,
        /// Ids of the users whose roles changed. Empty if the payload does not say.
        users: Vec<Box<str>>,
    },
    /// `OrganizationRole.…`: a role of the organization template.
    OrganizationRole(Change),
    /// `OrganizationScope.…`: a permission of the organization template.
    OrganizationScope(Change),
    /// `Role.…`: a global role.
    Role(Change),
    /// `Scope.…`: a permission of an API resource.
    Scope(Change),
    /// An event of another name, or one that lacks the id it is about.
    Other,
}

/// The change of a role or a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// `….Created`.
    Created,
    /// `….Deleted`.
    Deleted,
    /// `….Data.Updated`.
    DataUpdated,
    /// `….Scopes.Updated`: the permissions of a role.
    ScopesUpdated,
    /// A change of another name.
    Other,
}

stable_names!(Change {
    Created => "created",
    Deleted => "deleted",
    DataUpdated => "data_updated",
    ScopesUpdated => "scopes_updated",
    Other => "other",
});

impl EventKind {
    pub(super) fn read(name: &str, payload: &Object<'_>) -> Self {
        match name {
            "PostRegister" => return Self::PostRegister,
            "PostSignIn" => return Self::PostSignIn,
            "PostResetPassword" => return Self::PostResetPassword,
            _ => {}
        }
        match name.split_once('.').unwrap_or((name, "")) {
            ("Identifier", "Lockout") => Self::IdentifierLockout,
            ("User", "Created") => Self::UserCreated,
            ("User", "Data.Updated") => Self::UserDataUpdated,
            ("User", "Deleted") => user(payload).map_or(Self::Other, |user| Self::UserDeleted { user }),
            ("User", "SuspensionStatus.Updated") => user(payload).map_or(Self::Other, |user| {
                let suspended = of_record(payload, |record| record.read("isSuspended").ok().flatten());
                Self::UserSuspensionUpdated { user, suspended }
            }),
            ("Organization", "Created") => Self::OrganizationCreated,
            ("Organization", "Data.Updated") => {
                organization(payload).map_or(Self::Other, |organization| Self::OrganizationDataUpdated { organization })
            }
            ("Organization", "Deleted") => {
                organization(payload).map_or(Self::Other, |organization| Self::OrganizationDeleted { organization })
            }
            ("Organization", "Membership.Updated") => {
                MembershipChange::read(payload).map_or(Self::Other, Self::OrganizationMembershipUpdated)
            }
            ("Organization", "UserRoles.Updated") => {
                id(payload, "organizationId").or_else(|| parameter(payload, "id")).map_or(Self::Other, |organization| {
                    Self::OrganizationUserRolesUpdated { organization, users: named_users(payload) }
                })
            }
            ("OrganizationRole", change) => Self::OrganizationRole(Change::named(change)),
            ("OrganizationScope", change) => Self::OrganizationScope(Change::named(change)),
            ("Role", change) => Self::Role(Change::named(change)),
            ("Scope", change) => Self::Scope(Change::named(change)),
            _ => Self::Other,
        }
    }
}

impl EventKind {
    /// Returns a stable name out of a closed set, for metrics: Logto's, without what happened to a role or a permission.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::PostRegister => "PostRegister",
            Self::PostSignIn => "PostSignIn",
            Self::PostResetPassword => "PostResetPassword",
            Self::IdentifierLockout => "Identifier.Lockout",
            Self::UserCreated => "User.Created",
            Self::UserDataUpdated => "User.Data.Updated",
            Self::UserDeleted { .. } => "User.Deleted",
            Self::UserSuspensionUpdated { .. } => "User.SuspensionStatus.Updated",
            Self::OrganizationCreated => "Organization.Created",
            Self::OrganizationDataUpdated { .. } => "Organization.Data.Updated",
            Self::OrganizationDeleted { .. } => "Organization.Deleted",
            Self::OrganizationMembershipUpdated(_) => "Organization.Membership.Updated",
            Self::OrganizationUserRolesUpdated { .. } => "Organization.UserRoles.Updated",
            Self::OrganizationRole(_) => "OrganizationRole",
            Self::OrganizationScope(_) => "OrganizationScope",
            Self::Role(_) => "Role",
            Self::Scope(_) => "Scope",
            Self::Other => "other",
        }
    }
}

impl Change {
    fn named(name: &str) -> Self {
        match name {
            "Created" => Self::Created,
            "Deleted" => Self::Deleted,
            "Data.Updated" => Self::DataUpdated,
            "Scopes.Updated" => Self::ScopesUpdated,
            _ => Self::Other,
        }
    }
}

/// The user of an event whose `data` is a user's record.
fn user(payload: &Object<'_>) -> Option<Box<str>> {
    of_record(payload, |record| id(record, "id")).or_else(|| parameter(payload, "userId"))
}

/// The organization of an event whose `data`, if any, is an organization's record.
fn organization(payload: &Object<'_>) -> Option<Box<str>> {
    id(payload, "organizationId")
        .or_else(|| of_record(payload, |record| id(record, "id")))
        .or_else(|| parameter(payload, "id"))
}

/// The users that an event names in a list, by themselves, or by its route. A list that contains anything but strings
/// names no member.
fn named_users(payload: &Object<'_>) -> Vec<Box<str>> {
    let listed = payload.get::<Vec<Text<'_>>>("userIds").ok().flatten();
    let listed: Vec<Box<str>> = listed.into_iter().flatten().map(|id| id.0.into()).collect();
    if listed.is_empty() {
        id(payload, "userId").or_else(|| parameter(payload, "userId")).into_iter().collect()
    } else {
        listed
    }
}

fn of_record<T>(payload: &Object<'_>, read: impl FnOnce(&Object<'_>) -> Option<T>) -> Option<T> {
    read(&Object::parse(payload.raw("data")?.as_bytes()).ok()?)
}

/// A parameter of the Management API's route. It means something only beside the route that names it, which the console's
/// test payload lacks.
pub(super) fn parameter(payload: &Object<'_>, name: &'static str) -> Option<Box<str>> {
    payload.string("matchedRoute").ok().flatten()?;
    id(&Object::parse(payload.raw("params")?.as_bytes()).ok()?, name)
}

/// A string that is not empty.
pub(super) fn id(object: &Object<'_>, name: &'static str) -> Option<Box<str>> {
    object.string(name).ok().flatten().filter(|id| !id.is_empty()).map(Into::into)
}
