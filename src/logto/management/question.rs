//! What the Management API is asked.

use crate::http::percent::segment;

/// A question, with the ids in its path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question<'a> {
    User(&'a str),
    UserOrganizations(&'a str),
    UserRoles(&'a str),
    UserMfa(&'a str),
    Application(&'a str),
    ApplicationOrganizations(&'a str),
    ConsentOrganizations(&'a str, &'a str),
    ApplicationRoles(&'a str),
    OrganizationUserScopes(&'a str, &'a str),
    OrganizationUserRoles(&'a str, &'a str),
    OrganizationApplicationRoles(&'a str, &'a str),
    OrganizationRoles,
    Resources,
    RoleScopes(&'a str),
    Roles,
    RoleUsers(&'a str),
    RoleApplications(&'a str),
    ResourcesWithScopes,
    OrganizationScopes,
    Organizations,
    OrganizationUsers(&'a str),
    OrganizationApplications(&'a str),
    OrganizationJustInTimeRoles(&'a str),
}

impl Question<'_> {
    /// For messages, which name no subject.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::User(_) => "GET /api/users/{id}",
            Self::UserOrganizations(_) => "GET /api/users/{id}/organizations",
            Self::UserRoles(_) => "GET /api/users/{id}/roles",
            Self::UserMfa(_) => "GET /api/users/{id}/mfa-verifications",
            Self::Application(_) => "GET /api/applications/{id}",
            Self::ApplicationOrganizations(_) => "GET /api/applications/{id}/organizations",
            Self::ConsentOrganizations(..) => "GET /api/applications/{id}/users/{userId}/consent-organizations",
            Self::ApplicationRoles(_) => "GET /api/applications/{id}/roles",
            Self::OrganizationUserScopes(..) => "GET /api/organizations/{id}/users/{userId}/scopes",
            Self::OrganizationUserRoles(..) => "GET /api/organizations/{id}/users/{userId}/roles",
            Self::OrganizationApplicationRoles(..) => "GET /api/organizations/{id}/applications/{applicationId}/roles",
            Self::OrganizationRoles => "GET /api/organization-roles",
            Self::Resources | Self::ResourcesWithScopes => "GET /api/resources",
            Self::RoleScopes(_) => "GET /api/roles/{id}/scopes",
            Self::Roles => "GET /api/roles",
            Self::RoleUsers(_) => "GET /api/roles/{id}/users",
            Self::RoleApplications(_) => "GET /api/roles/{id}/applications",
            Self::OrganizationScopes => "GET /api/organization-scopes",
            Self::Organizations => "GET /api/organizations",
            Self::OrganizationUsers(_) => "GET /api/organizations/{id}/users",
            Self::OrganizationApplications(_) => "GET /api/organizations/{id}/applications",
            Self::OrganizationJustInTimeRoles(_) => "GET /api/organizations/{id}/jit/roles",
        }
    }

    /// The path below `/api`; `None` when an id cannot stand in one.
    pub(super) fn path(&self) -> Option<String> {
        Some(match self {
            Self::User(id) => format!("/users/{}", segment(id)?),
            Self::UserOrganizations(id) => format!("/users/{}/organizations", segment(id)?),
            Self::UserRoles(id) => format!("/users/{}/roles", segment(id)?),
            Self::UserMfa(id) => format!("/users/{}/mfa-verifications", segment(id)?),
            Self::Application(id) => format!("/applications/{}", segment(id)?),
            Self::ApplicationOrganizations(id) => format!("/applications/{}/organizations", segment(id)?),
            Self::ConsentOrganizations(application, user) => {
                format!("/applications/{}/users/{}/consent-organizations", segment(application)?, segment(user)?)
            }
            Self::ApplicationRoles(id) => format!("/applications/{}/roles", segment(id)?),
            Self::OrganizationUserScopes(organization, user) => {
                format!("/organizations/{}/users/{}/scopes", segment(organization)?, segment(user)?)
            }
            Self::OrganizationUserRoles(organization, user) => {
                format!("/organizations/{}/users/{}/roles", segment(organization)?, segment(user)?)
            }
            Self::OrganizationApplicationRoles(organization, application) => {
                format!("/organizations/{}/applications/{}/roles", segment(organization)?, segment(application)?)
            }
            Self::OrganizationRoles => "/organization-roles".to_owned(),
            Self::Resources | Self::ResourcesWithScopes => "/resources".to_owned(),
            Self::RoleScopes(id) => format!("/roles/{}/scopes", segment(id)?),
            Self::Roles => "/roles".to_owned(),
            Self::RoleUsers(id) => format!("/roles/{}/users", segment(id)?),
            Self::RoleApplications(id) => format!("/roles/{}/applications", segment(id)?),
            Self::OrganizationScopes => "/organization-scopes".to_owned(),
            Self::Organizations => "/organizations".to_owned(),
            Self::OrganizationUsers(id) => format!("/organizations/{}/users", segment(id)?),
            Self::OrganizationApplications(id) => format!("/organizations/{}/applications", segment(id)?),
            Self::OrganizationJustInTimeRoles(id) => format!("/organizations/{}/jit/roles", segment(id)?),
        })
    }

    /// The largest answer that is read: a user may be in thousands of organizations, and that list comes in one piece.
    pub(super) const fn most_bytes(&self) -> usize {
        match self {
            Self::UserOrganizations(_) => 8 * 1024 * 1024,
            Self::ResourcesWithScopes => 32 * 1024 * 1024,
            _ => 4 * 1024 * 1024,
        }
    }

    /// A longer list is an error: no permissions are silently cut off.
    pub(super) const fn most_members(&self) -> usize {
        match self {
            Self::RoleUsers(_) | Self::Organizations | Self::OrganizationUsers(_) => 200_000,
            Self::Roles | Self::RoleScopes(_) | Self::RoleApplications(_) | Self::OrganizationApplications(_) => 20_000,
            _ => 2000,
        }
    }

    /// What the query says beside the page.
    pub(super) const fn also(&self) -> &'static str {
        if matches!(self, Self::ResourcesWithScopes) { "&includeScopes=true" } else { "" }
    }

    /// Lists that are cut into pages when asked to be.
    pub(super) const fn is_paged(&self) -> bool {
        !matches!(
            self,
            Self::User(_)
                | Self::UserOrganizations(_)
                | Self::UserMfa(_)
                | Self::Application(_)
                | Self::OrganizationUserScopes(..)
        )
    }
}
