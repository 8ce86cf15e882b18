//! What a webhook revokes.

use super::{Revocation, Revocations};
use crate::logto::webhooks::{Event, EventKind};
use crate::time::Now;

/// The events that revoke something when they say whom they are about.
const REVOKING: [&str; 4] =
    ["User.Deleted", "User.SuspensionStatus.Updated", "Organization.Deleted", "Organization.Membership.Updated"];

/// Records what a verified event revokes, for the issuer entry whose hook it is.
///
/// | event | recorded |
/// |---|---|
/// | `User.Deleted` | the deletion |
/// | `User.SuspensionStatus.Updated` | the suspension or its end; either way, *not before* of the user |
/// | `Organization.Deleted` | *not before* of the organization |
/// | `Organization.Membership.Updated` | *not before* of each removed member, users and applications; of the whole organization where others may have been removed whom the event does not name |
/// | every other | nothing |
///
/// An organization whose removed members are not all named loses the tokens of those who stayed too. They get new ones
/// without a sign-in, and those who were removed do not.
///
/// An event of these that does not say whom it is about revokes nothing and is logged as a warning: the console's test
/// button sends such.
pub fn apply(revocations: &dyn Revocations, issuer_name: &str, event: &Event, now: Now) {
    let at = event.created_at();
    let record = |revocation| revocations.record(issuer_name, revocation, now);
    match event.kind() {
        EventKind::UserDeleted { user } => record(Revocation::Deletion { subject: user, at }),
        EventKind::UserSuspensionUpdated { user, suspended, .. } => {
            record(Revocation::Subject { subject: user, not_before: at });
            if let Some(suspended) = *suspended {
                record(Revocation::Suspension { subject: user, suspended, at });
            }
        }
        EventKind::OrganizationDeleted { organization } => {
            record(Revocation::Organization { organization, not_before: at });
        }
        EventKind::OrganizationMembershipUpdated(change) => {
            let organization = change.organization();
            if change.may_remove_others() {
                record(Revocation::Organization { organization, not_before: at });
            } else {
                for subject in change.removed_users().chain(change.removed_applications()) {
                    record(Revocation::Member { organization, subject, not_before: at });
                }
            }
        }
        EventKind::Other if REVOKING.contains(&event.name()) => {
            tracing::warn!(target: "orgate", issuer = issuer_name, event = event.name(), "a webhook that names nobody");
        }
        _ => {}
    }
}
