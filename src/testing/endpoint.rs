//! What is asked of an issuer, by address.

use http::Method;

/// The endpoints of an issuer. A [`TestIssuer`](super::TestIssuer) alone serves its metadata and its keys; the rest
/// belongs to a [`TestTenant`](super::TestTenant).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// The metadata, in all of its well-known places.
    Discovery,
    /// The key set.
    Keys,
    /// `POST /oidc/token`.
    Token,
    /// `POST /oidc/token/introspection`.
    Introspection,
    /// `POST /oidc/token/revocation`.
    Revocation,
    /// `GET /api/users/{id}`.
    User,
    /// `GET /api/users/{id}/organizations`.
    UserOrganizations,
    /// `GET /api/users/{id}/roles`: global roles.
    UserRoles,
    /// `GET /api/users/{id}/mfa-verifications`.
    UserMfa,
    /// `GET /api/applications/{id}`.
    Application,
    /// `GET /api/applications/{id}/organizations`.
    ApplicationOrganizations,
    /// `GET /api/applications/{id}/users/{user}/consent-organizations`.
    ConsentOrganizations,
    /// `GET /api/applications/{id}/roles`: global roles.
    ApplicationRoles,
    /// `GET /api/organizations/{id}/users/{user}/scopes`.
    OrganizationUserScopes,
    /// `GET /api/organizations/{id}/users/{user}/roles`.
    OrganizationUserRoles,
    /// `GET /api/organizations/{id}/applications/{application}/roles`.
    OrganizationApplicationRoles,
    /// `GET /api/organization-roles`: the organization template.
    OrganizationRoles,
    /// `GET /api/resources`.
    Resources,
    /// `GET /api/roles/{id}/scopes`.
    RoleScopes,
    /// `GET /api/roles`: global roles.
    Roles,
    /// `GET /api/roles/{id}/users`.
    RoleUsers,
    /// `GET /api/roles/{id}/applications`.
    RoleApplications,
    /// `GET /api/organization-scopes`.
    OrganizationScopes,
    /// `GET /api/organizations`.
    Organizations,
    /// `GET /api/organizations/{id}/users`.
    OrganizationUsers,
    /// `GET /api/organizations/{id}/applications`.
    OrganizationApplications,
    /// `GET /api/organizations/{id}/jit/roles`.
    OrganizationJustInTimeRoles,
    /// All of the Management API: what begins with `/api`.
    Management,
    /// Everything.
    All,
}

impl Endpoint {
    pub(super) const fn method(self) -> Method {
        match self {
            Self::Token | Self::Introspection | Self::Revocation => Method::POST,
            _ => Method::GET,
        }
    }

    /// Whether `self`, which may be a group, holds `other`.
    pub(super) fn holds(self, other: Self) -> bool {
        match self {
            Self::All => true,
            Self::Management => other.is_management(),
            one => one == other,
        }
    }

    /// Itself, then the groups it is in.
    pub(super) fn widening(self) -> impl Iterator<Item = Self> {
        let group = self.is_management().then_some(Self::Management);
        [Some(self), group, Some(Self::All)].into_iter().flatten()
    }

    const fn is_management(self) -> bool {
        match self {
            Self::Discovery | Self::Keys | Self::Token | Self::Introspection | Self::Revocation | Self::All => false,
            Self::User
            | Self::UserOrganizations
            | Self::UserRoles
            | Self::UserMfa
            | Self::Application
            | Self::ApplicationOrganizations
            | Self::ConsentOrganizations
            | Self::ApplicationRoles
            | Self::OrganizationUserScopes
            | Self::OrganizationUserRoles
            | Self::OrganizationApplicationRoles
            | Self::OrganizationRoles
            | Self::Resources
            | Self::RoleScopes
            | Self::Roles
            | Self::RoleUsers
            | Self::RoleApplications
            | Self::OrganizationScopes
            | Self::Organizations
            | Self::OrganizationUsers
            | Self::OrganizationApplications
            | Self::OrganizationJustInTimeRoles
            | Self::Management => true,
        }
    }
}
