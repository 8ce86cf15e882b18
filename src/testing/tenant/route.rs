//! Which question an address is.

use super::form::segment;
use super::state::Tenant;
use crate::testing::Endpoint;

/// A question to the Management API, with the ids in its path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question {
    User(String),
    UserOrganizations(String),
    UserRoles(String),
    UserMfa(String),
    Application(String),
    ApplicationOrganizations(String),
    ConsentOrganizations(String, String),
    ApplicationRoles(String),
    OrganizationUserScopes(String, String),
    OrganizationUserRoles(String, String),
    OrganizationApplicationRoles(String, String),
    OrganizationRoles,
    Resources,
    RoleScopes(String),
    Roles,
    RoleUsers(String),
    RoleApplications(String),
    OrganizationScopes,
    Organizations,
    OrganizationUsers(String),
    OrganizationApplications(String),
    OrganizationJustInTimeRoles(String),
}

impl Question {
    pub(super) fn read(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix("/api/")?.split('/').collect();
        let id = |text: &str| segment(text);
        Some(match *segments {
            ["users", user] => Self::User(id(user)),
            ["users", user, "organizations"] => Self::UserOrganizations(id(user)),
            ["users", user, "roles"] => Self::UserRoles(id(user)),
            ["users", user, "mfa-verifications"] => Self::UserMfa(id(user)),
            ["applications", application] => Self::Application(id(application)),
            ["applications", application, "organizations"] => Self::ApplicationOrganizations(id(application)),
            ["applications", application, "users", user, "consent-organizations"] => {
                Self::ConsentOrganizations(id(application), id(user))
            }
            ["applications", application, "roles"] => Self::ApplicationRoles(id(application)),
            ["organizations", organization, "users", user, "scopes"] => {
                Self::OrganizationUserScopes(id(organization), id(user))
            }
            ["organizations", organization, "users", user, "roles"] => {
                Self::OrganizationUserRoles(id(organization), id(user))
            }
            ["organizations", organization, "applications", application, "roles"] => {
                Self::OrganizationApplicationRoles(id(organization), id(application))
            }
            ["organization-roles"] => Self::OrganizationRoles,
            ["resources"] => Self::Resources,
            ["roles", role, "scopes"] => Self::RoleScopes(id(role)),
            ["roles"] => Self::Roles,
            ["roles", role, "users"] => Self::RoleUsers(id(role)),
            ["roles", role, "applications"] => Self::RoleApplications(id(role)),
            ["organization-scopes"] => Self::OrganizationScopes,
            ["organizations"] => Self::Organizations,
            ["organizations", organization, "users"] => Self::OrganizationUsers(id(organization)),
            ["organizations", organization, "applications"] => Self::OrganizationApplications(id(organization)),
            ["organizations", organization, "jit", "roles"] => Self::OrganizationJustInTimeRoles(id(organization)),
            _ => return None,
        })
    }

    const fn endpoint(&self) -> Endpoint {
        match self {
            Self::User(_) => Endpoint::User,
            Self::UserOrganizations(_) => Endpoint::UserOrganizations,
            Self::UserRoles(_) => Endpoint::UserRoles,
            Self::UserMfa(_) => Endpoint::UserMfa,
            Self::Application(_) => Endpoint::Application,
            Self::ApplicationOrganizations(_) => Endpoint::ApplicationOrganizations,
            Self::ConsentOrganizations(..) => Endpoint::ConsentOrganizations,
            Self::ApplicationRoles(_) => Endpoint::ApplicationRoles,
            Self::OrganizationUserScopes(..) => Endpoint::OrganizationUserScopes,
            Self::OrganizationUserRoles(..) => Endpoint::OrganizationUserRoles,
            Self::OrganizationApplicationRoles(..) => Endpoint::OrganizationApplicationRoles,
            Self::OrganizationRoles => Endpoint::OrganizationRoles,
            Self::Resources => Endpoint::Resources,
            Self::RoleScopes(_) => Endpoint::RoleScopes,
            Self::Roles => Endpoint::Roles,
            Self::RoleUsers(_) => Endpoint::RoleUsers,
            Self::RoleApplications(_) => Endpoint::RoleApplications,
            Self::OrganizationScopes => Endpoint::OrganizationScopes,
            Self::Organizations => Endpoint::Organizations,
            Self::OrganizationUsers(_) => Endpoint::OrganizationUsers,
            Self::OrganizationApplications(_) => Endpoint::OrganizationApplications,
            Self::OrganizationJustInTimeRoles(_) => Endpoint::OrganizationJustInTimeRoles,
        }
    }
}

impl Tenant {
    /// What is asked for at this path, beside the metadata and the keys. `under_issuer` is the part below the issuer's
    /// path.
    pub(in crate::testing) fn endpoint(under_issuer: Option<&str>, path: &str) -> Option<Endpoint> {
        match under_issuer {
            Some("/token") => Some(Endpoint::Token),
            Some("/token/introspection") => Some(Endpoint::Introspection),
            Some("/token/revocation") => Some(Endpoint::Revocation),
            _ => Some(Question::read(path)?.endpoint()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_decoded_segments() {
        let question = Question::read("/api/organizations/a%2Fb/users/c%20d/scopes");
        assert_eq!(question, Some(Question::OrganizationUserScopes("a/b".to_owned(), "c d".to_owned())));
        assert_eq!(Question::read("/api/users"), None);
        assert_eq!(Question::read("/api/users/a/roles/b"), None);
        assert_eq!(Tenant::endpoint(Some("/token"), "/oidc/token"), Some(Endpoint::Token));
        assert_eq!(Tenant::endpoint(None, "/api/users/a"), Some(Endpoint::User));
        assert_eq!(Tenant::endpoint(Some("/elsewhere"), "/oidc/elsewhere"), None);
    }
}
