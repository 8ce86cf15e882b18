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

/// Returns an organization of the named issuer entry, as a policy would have verified it.
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
