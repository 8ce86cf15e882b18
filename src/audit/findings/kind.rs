//! Which findings there are, and how bad they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::audit::error::AuditError;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Something cannot work, or is open.
    Error,
    /// Somebody may hold more than is meant.
    Warning,
    /// Something to know at a review.
    Note,
}

macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident, $severity:ident, $name:literal;)+) => {
        /// The kind of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum FindingKind {
            $($(#[$doc])+ $kind,)+
        }

        impl FindingKind {
            /// Every kind, the worst first.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// Returns the stable name, as in the serialized form.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// Returns how bad such a finding is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$kind => Severity::$severity,)+
                }
            }
        }
    };
}

kinds! {
    /// A route requires a scope that the tenant does not define.
    UndefinedScope, Error, "undefined_scope";
    /// A route takes tokens for a resource indicator that is not registered in the tenant.
    UnregisteredResource, Error, "unregistered_resource";
    /// No role opens a route, and no three roles do.
    UnreachableRoute, Error, "unreachable_route";
    /// A route takes machines only, and no role of machines opens it.
    MachineRouteWithoutMachineRole, Error, "machine_route_without_machine_role";
    /// A role or a person reaches both of two routes that a rule keeps apart. Only [`check`](crate::audit::Audit::check) finds it.
    SeparationOfDuties, Error, "separation_of_duties";
    /// A route judges a policy and does not enforce it.
    ShadowedRoute, Warning, "shadowed_route";
    /// A role holds a permission of the tenant's Management API.
    ManagementApiRole, Warning, "management_api_role";
    /// A role opens every route that has a policy.
    RoleReachesEverything, Warning, "role_reaches_everything";
    /// A role opens no route that is closed without it.
    RoleReachesNothing, Warning, "role_reaches_nothing";
    /// Every new user, or every user who joins an organization just in time, receives a role.
    DefaultRole, Warning, "default_role";
    /// An organization role opens a route that is for no organization.
    OrganizationRoleOnGlobalRoute, Note, "organization_role_on_global_route";
    /// No role opens a route alone, several together do.
    CombinationNeeded, Note, "combination_needed";
    /// A route is public.
    PublicRoute, Note, "public_route";
    /// A route answers requests without a token too.
    OptionalRoute, Note, "optional_route";
    /// No route requires a permission.
    UnusedPermission, Note, "unused_permission";
    /// Several roles grant a permission that one route requires.
    PermissionOfSeveralRoles, Note, "permission_of_several_roles";
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for FindingKind {
    type Err = AuditError;

    /// # Errors
    ///
    /// Returns an error that lists the names if there is no such kind.
    fn from_str(name: &str) -> Result<Self, AuditError> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            AuditError::new(format_args!("finding {name:?}: expected one of {}", known.join(", ")))
        })
    }
}

impl Severity {
    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
