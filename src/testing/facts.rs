//! Subjects and organizations for unit tests of code that takes them.

use crate::organization::Organization;
use crate::scoped::ScopedId;
use crate::token::{Subject, SubjectKind};

/// Returns a user of the named issuer entry, as a verified token would have it.
///
/// ```
/// let alice = orgate::testing::user("main", "alice");
/// assert_eq!((alice.issuer_name(), alice.id()), ("main", "alice"));
/// ```
#[must_use]
pub fn user(issuer_name: &str, id: &str) -> Subject {
    Subject::new(issuer_name.into(), id.into(), SubjectKind::User)
}

/// Returns a client on its own behalf, of the named issuer entry, as a verified token would have it.
#[must_use]
pub fn machine(issuer_name: &str, id: &str) -> Subject {
    Subject::new(issuer_name.into(), id.into(), SubjectKind::Machine)
}

/// Returns an organization of the named issuer entry, as a policy would have verified it: the token is for it
/// ([`OrganizationProvenance::Token`](crate::organization::OrganizationProvenance::Token)).
///
/// ```
/// async fn orders(org: orgate::Organization) -> String {
///     format!("orders of {}", org.id())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(orders(orgate::testing::organization("main", "org_a")).await, "orders of org_a");
/// # }
/// ```
#[must_use]
pub fn organization(issuer_name: &str, id: &str) -> Organization {
    Organization::verified(&ScopedId::new(&issuer_name.into(), id))
}

/// Returns an organization as [`for_member_of`](crate::Policy::for_member_of) would let it pass: the permission source says that
/// the subject is a member of it.
///
/// ```
/// use orgate::organization::OrganizationProvenance;
///
/// let acme = orgate::testing::member_organization("main", "acme");
/// assert_eq!(acme.provenance(), OrganizationProvenance::PermissionSource);
/// ```
#[must_use]
pub fn member_organization(issuer_name: &str, id: &str) -> Organization {
    Organization::of_member(ScopedId::new(&issuer_name.into(), id))
}

/// Returns an organization as [`about`](crate::Policy::about) would let it pass: only the request names it.
///
/// ```
/// use orgate::Organization;
/// use orgate::organization::OrganizationProvenance;
/// use orgate::testing::{organization, requested_organization};
///
/// fn shows_invoices(organization: &Organization) -> bool {
///     organization.provenance() != OrganizationProvenance::Policy
/// }
///
/// assert!(shows_invoices(&organization("main", "acme")));
/// assert!(!shows_invoices(&requested_organization("main", "acme")));
/// ```
#[must_use]
pub fn requested_organization(issuer_name: &str, id: &str) -> Organization {
    Organization::vouched(ScopedId::new(&issuer_name.into(), id))
}
