//! The tenant as plain data, which is also the format of a file.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The definitions of a tenant. Names are those given by people; a role is identified by its level and its name.
///
/// As JSON it is what [`TenantFile`](super::TenantFile) reads. A member that is not known there is an error.
///
/// ```
/// use orgate::audit::{Grants, Resource, Role, SubjectType, Tenant};
///
/// let api = "https://api.example.com";
/// let mut support = Role::new("support", SubjectType::User);
/// support.permissions.push(Grants::new(api, ["read:orders"]));
///
/// let mut tenant = Tenant::default();
/// tenant.resources.push(Resource::new(api, ["read:orders", "write:orders"]));
/// tenant.roles.push(support);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tenant {
    /// The API resources with their permissions.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// The permissions of the organization template that are not an API's.
    #[serde(default)]
    pub organization_permissions: Vec<String>,
    /// The global roles.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// The roles of the organization template.
    #[serde(default)]
    pub organization_roles: Vec<OrganizationRole>,
    /// The organizations, as far as they differ from the template or have members.
    #[serde(default)]
    pub organizations: Vec<OrganizationSettings>,
    /// Who holds the roles; none if it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Members>,
}

/// An API resource.
///
/// ```
/// use orgate::audit::Resource;
///
/// let api = Resource::new("https://api.example.com", ["read:orders", "write:orders"]);
/// assert_eq!(api.scopes.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Resource {
    /// Its indicator.
    pub indicator: String,
    /// Its permissions.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whether it is the tenant's own Management API: who holds a permission of it administers the tenant.
    #[serde(default, skip_serializing_if = "is_false")]
    pub management_api: bool,
}

/// Permissions of one API resource.
///
/// ```
/// use orgate::audit::Grants;
///
/// let grants = Grants::new("https://api.example.com", ["read:orders"]);
/// assert_eq!(grants.scopes, ["read:orders"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Grants {
    /// The resource's indicator.
    pub resource: String,
    /// The permissions.
    pub scopes: Vec<String>,
}

/// A global role.
///
/// ```
/// use orgate::audit::{Grants, Role, SubjectType};
///
/// let mut support = Role::new("support", SubjectType::User);
/// support.permissions.push(Grants::new("https://api.example.com", ["read:orders"]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whom it is for.
    #[serde(rename = "type")]
    pub subjects: SubjectType,
    /// Whether every new user receives it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub default: bool,
    /// What it grants.
    #[serde(default)]
    pub permissions: Vec<Grants>,
}

/// A role of the organization template.
///
/// ```
/// use orgate::audit::{OrganizationRole, SubjectType};
///
/// let mut admin = OrganizationRole::new("admin", SubjectType::User);
/// admin.organization_permissions.push("invite:member".to_owned());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OrganizationRole {
    /// Its name.
    pub name: String,
    /// Whom it is for.
    #[serde(rename = "type")]
    pub subjects: SubjectType,
    /// What it grants of the organization's own permissions.
    #[serde(default)]
    pub organization_permissions: Vec<String>,
    /// What it grants of API resources.
    #[serde(default)]
    pub permissions: Vec<Grants>,
}

/// The kind of subjects that a role is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubjectType {
    /// Users.
    User,
    /// Machine-to-machine applications.
    Machine,
}

/// The level of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RoleLevel {
    /// In the tenant.
    Global,
    /// In an organization.
    Organization,
}

/// The settings of one organization that differ from the template.
///
/// ```
/// use orgate::audit::OrganizationSettings;
///
/// let mut acme = OrganizationSettings::new("acme");
/// acme.mfa_required = true;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OrganizationSettings {
    /// Its id.
    pub id: String,
    /// The organization roles that a user receives on joining just in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub just_in_time_roles: Vec<String>,
    /// Whether users need a second factor.
    #[serde(default, skip_serializing_if = "is_false")]
    pub mfa_required: bool,
}

/// The holders of the roles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Members {
    /// The users that hold a role or are members of an organization.
    #[serde(default)]
    pub users: Vec<TenantMember>,
    /// The machines.
    #[serde(default)]
    pub machines: Vec<TenantMember>,
}

/// A user or a machine, with the roles that it holds.
///
/// ```
/// use orgate::audit::{Membership, TenantMember};
///
/// let mut alice = TenantMember::new("alice");
/// alice.organizations.push(Membership::new("acme", ["admin"]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TenantMember {
    /// Its id: the `sub` of its tokens.
    pub id: String,
    /// Whether it is suspended, and so receives no token.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspended: bool,
    /// Its global roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Its organizations, with the roles in each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<Membership>,
}

/// A membership of an organization.
///
/// ```
/// use orgate::audit::Membership;
///
/// let membership = Membership::new("acme", ["admin"]);
/// assert_eq!(membership.roles, ["admin"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Membership {
    /// The organization's id.
    pub id: String,
    /// The organization roles that are held there.
    #[serde(default)]
    pub roles: Vec<String>,
}

impl SubjectType {
    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Machine => "machine",
        }
    }
}

impl RoleLevel {
    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Organization => "organization",
        }
    }
}

impl fmt::Display for SubjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for RoleLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Members {
    pub(crate) const fn of(&self, subjects: SubjectType) -> &Vec<TenantMember> {
        match subjects {
            SubjectType::User => &self.users,
            SubjectType::Machine => &self.machines,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_false(value: &bool) -> bool {
    !*value
}
