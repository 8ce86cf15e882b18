//! The stable names of faults and endpoints.

use super::{Endpoint, Fault, PdpFault};
use crate::name::stable_names;

stable_names!(Endpoint {
    Discovery => "discovery",
    Keys => "keys",
    Token => "token",
    Introspection => "introspection",
    Revocation => "revocation",
    User => "user",
    UserOrganizations => "user_organizations",
    UserRoles => "user_roles",
    UserMfa => "user_mfa",
    Application => "application",
    ApplicationOrganizations => "application_organizations",
    ConsentOrganizations => "consent_organizations",
    ApplicationRoles => "application_roles",
    OrganizationUserScopes => "organization_user_scopes",
    OrganizationUserRoles => "organization_user_roles",
    OrganizationApplicationRoles => "organization_application_roles",
    OrganizationRoles => "organization_roles",
    Resources => "resources",
    RoleScopes => "role_scopes",
    Roles => "roles",
    RoleUsers => "role_users",
    RoleApplications => "role_applications",
    OrganizationScopes => "organization_scopes",
    Organizations => "organizations",
    OrganizationUsers => "organization_users",
    OrganizationApplications => "organization_applications",
    OrganizationJustInTimeRoles => "organization_just_in_time_roles",
    Management => "management",
    All => "all",
});

stable_names!(Fault {
    Status => "status",
    RetryAfter => "retry_after",
    Delay => "delay",
    Hold => "hold",
    Hang => "hang",
    Garbage => "garbage",
    Empty => "empty",
    Body => "body",
    Huge => "huge",
    Drip => "drip",
    Reset => "reset",
    Redirect => "redirect",
    WrongIssuer => "wrong_issuer",
    NoKeys => "no_keys",
    TooManyKeys => "too_many_keys",
});

stable_names!(PdpFault {
    Status => "status",
    RetryAfter => "retry_after",
    Body => "body",
    Answer => "answer",
    Delay => "delay",
    Hang => "hang",
    Huge => "huge",
    Drip => "drip",
    Reset => "reset",
    Redirect => "redirect",
});
