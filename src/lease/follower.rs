//! Leases follow changes.

use std::time::Duration;

use super::leases::{Book, Leases, Task};
use super::table::{Found, LeaseId};
use super::topic::Topic;
use crate::change::{About, Applied, Follower};
use crate::issuer::keys::jitter;
use crate::lock::lock;
use crate::permissions::PermissionModel;
use crate::time::milliseconds;

/// What a change that concerns many makes them ask is spread over this time, or half the bound of each.
const SPREAD: Duration = Duration::from_secs(3);

/// So many questions at once take the whole of it.
const MANY: f64 = 32.0;

/// Leases follow a change by what it is about. One that may have lost its permissions is asked about at once, or within its
/// bound where the change concerns many.
impl Follower for Leases {
    fn changed(&self, applied: &Applied<'_>) {
        let issuer = applied.entry.id();
        let now = self.clock.now().monotonic;
        let mut book = lock(&self.book);
        if book.table.len() == 0 {
            return;
        }
        let is_wide = applied.about.is_wide() || matches!(applied.about, About::Organization { .. });
        let mut found: Vec<Found> = match applied.about {
            About::Everything => book.table.of(&Topic::Entry(issuer)),
            About::Everyone if applied.refuses_more => book.table.of(&Topic::Entry(issuer)),
            About::Everyone | About::OrganizationTemplate | About::ApiPermissions => Vec::new(),
            About::Subject { subject } | About::Member { subject, .. } => {
                let mut found = book.table.of(&Topic::Subject(issuer, subject.clone()));
                found.extend(book.table.of(&Topic::Actor(issuer, subject.clone())));
                found
            }
            About::Organization { organization } => book.table.of(&Topic::Organization(issuer, organization.clone())),
            About::Client { client } => book.table.of(&Topic::Client(issuer, client.clone())),
            About::Token { token_id } => book.table.of(&Topic::Token(issuer, token_id.clone())),
        };
        if applied.invalidates {
            ask_again(&mut book, &found, applied, is_wide, now);
            if applied.about.is_wide() {
                found.extend(book.table.of(&Topic::Listening(issuer)));
            }
        }
        drop(book);
        for (_, watch) in &found {
            watch.hear(applied.about, applied.at);
        }
        self.sooner.notify_one();
    }
}

fn ask_again(book: &mut Book, found: &[Found], applied: &Applied<'_>, is_wide: bool, now: Duration) {
    let issuer = applied.entry.id();
    let mut groups: Vec<u32> = found.iter().flat_map(|(id, _)| book.table.groups_of(*id)).collect();
    let mut deciding: Vec<LeaseId> = found.iter().map(|(id, _)| *id).filter(|id| book.table.is_deciding(*id)).collect();
    if applied.about.is_wide() {
        groups = book.groups.of_entry(issuer);
        deciding = book.table.of(&Topic::Deciding(issuer)).into_iter().map(|(id, _)| id).collect();
    } else if is_wide {
        // What users hold of an API is also what roles in all of their organizations hold.
        let whole = |group: &u32| book.groups.get(*group).is_some_and(|group| is_of_api(group.wanted.query.model()));
        groups.extend(book.groups.of_entry(issuer).into_iter().filter(whole));
    }
    groups.sort_unstable();
    groups.dedup();
    let share = spread_share(groups.len());
    for number in groups {
        let Some(group) = book.groups.get_mut(number) else { continue };
        group.is_stale |= group.is_asked;
        let spread = group.wanted.bound.min(SPREAD).mul_f64(0.5 * jitter() * share);
        let next = milliseconds(if is_wide { now + spread } else { now });
        group.next = next;
        book.schedule(next, Task::Ask(number));
    }
    for id in deciding {
        let at = if is_wide { now + SPREAD.mul_f64(jitter()) } else { now };
        book.schedule(milliseconds(at), Task::Rejudge(id));
    }
}

/// A few are asked about at once: what is spread is what a source would notice.
fn spread_share(groups: usize) -> f64 {
    f64::from(u32::try_from(groups).unwrap_or(u32::MAX)).min(MANY) / MANY
}

fn is_of_api(model: &PermissionModel) -> bool {
    matches!(model, PermissionModel::Resource { .. } | PermissionModel::Memberships { .. })
}
