//! Compares the routes of an API with the roles of its tenant: who may call what.
//!
//! The code knows its routes with their policies, the tenant knows its roles with what they grant. An audit puts both together:
//! a [`Report`] with one row for each route and one column for each role, and [`Finding`]s about what does not fit.
//!
//! ```
//! use orgate::audit::{FindingKind, Rules, Tenant};
//! use orgate::policy::{path, resource};
//! use orgate::{Guard, ResourceServer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
//! let orders = resource().in_organization(path("org")).scope("read:order");
//! let guard: Guard = server.guard().get("/orgs/{org}/orders", || async { "orders" }, orders);
//!
//! let tenant = Tenant::from_json(
//!     r#"{
//!         "resources": [{ "indicator": "https://api.example.com", "scopes": ["read:orders"] }],
//!         "organization_roles": [{
//!             "name": "clerk", "type": "user",
//!             "permissions": [{ "resource": "https://api.example.com", "scopes": ["read:orders"] }]
//!         }]
//!     }"#,
//! )?;
//! let audit = guard.audit(&tenant).await?;
//! let typo = &audit.report().findings[0];
//! assert_eq!(typo.kind, FindingKind::UndefinedScope);
//! assert!(typo.message.contains("did you mean read:orders?"), "{typo}");
//! assert!(audit.check(&Rules::new().deny(FindingKind::UndefinedScope)).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # What the matrix says
//!
//! A cell is about a subject that holds this role and no other: a user of the tenant, or a machine for a role of machines. It
//! asks for the right token, for every scope, through a client of the tenant's own (a third-party client also needs consent to
//! an organization). A role of an organization is held in the organization that the request is about.
//!
//! | cell | meaning |
//! |---|---|
//! | yes | the role's tokens pass |
//! | only if | they pass if something else holds too: a claim, a check, a decision, a membership |
//! | no | they lack scopes, which the cell names |
//! | never | whatever the role is granted, its tokens do not pass: the route requires another kind of subject or of token |
//!
//! What a role grants counts as Logto counts it: an organization role of users grants its API permissions in a token without an
//! organization too; the global roles of a user count within each of the user's organizations, those of a machine do not.

#[allow(clippy::module_inception, reason = "named after its one type")]
mod audit;
mod catalog;
mod combine;
mod compare;
mod diff;
mod directory;
mod error;
mod findings;
mod form;
mod holder;
mod judge;
mod members;
mod report;
mod request;
mod requirement;
mod rules;
mod separation;
mod tenant;
mod through;
mod verdict;
mod who;

pub use audit::Audit;
pub use diff::{Change, Diff};
pub use directory::{Directory, Wanted};
pub use error::{AuditError, DirectoryError};
pub use findings::{Finding, FindingKind, Severity};
pub use report::{Combination, Report, RoleSummary, RouteAccess, RouteSummary};
pub use request::AuditRequest;
#[allow(unused_imports, reason = "for the guard of axum, which has a feature of its own")]
pub(crate) use request::Row;
pub use rules::{Rules, Violations};
pub use tenant::{
    Grants, Members, Membership, OrganizationRole, OrganizationSettings, Resource, Role, RoleLevel, SubjectType,
    Tenant, TenantFile, TenantMember,
};
pub use verdict::Verdict;
pub use who::{Caller, Holding, RoleHolder, SubjectAccess, Who};
