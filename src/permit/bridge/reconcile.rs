//! What webhooks did not say: the whole list against what Permit.io knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::{Duration, SystemTime};

use super::PermitBridge;
use super::handle::since_epoch;
use super::unsettled::Seen;
use super::wishes::{RECONCILE, Stated, Taken, Wish};
use crate::permit::lookup::Roles;
use crate::permit::{PermitUser, SyncError};

/// A Logto user, with the organizations that the user is a member of. `Debug` shows no personal data.
///
/// ```
/// use orgate::permit::{LogtoUser, PermitUser};
///
/// let alice = LogtoUser::new(PermitUser::new("alice").email("alice@example.com")).member_of("acme");
/// # _ = alice;
/// ```
#[derive(Clone)]
#[must_use]
pub struct LogtoUser {
    user: PermitUser,
    organizations: BTreeSet<String>,
}

impl LogtoUser {
    /// Creates a user who is not a member of any organization.
    pub const fn new(user: PermitUser) -> Self {
        Self { user, organizations: BTreeSet::new() }
    }

    /// Adds a membership of this organization.
    pub fn member_of(mut self, organization: impl Into<String>) -> Self {
        self.organizations.insert(organization.into());
        self
    }
}

impl fmt::Debug for LogtoUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogtoUser").finish_non_exhaustive()
    }
}

/// The result of [`PermitBridge::reconcile`]: counts, without names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    users: usize,
    joins: usize,
    leaves: usize,
    deletions: usize,
    dropped: usize,
    superseded: usize,
}

impl Reconciled {
    /// Returns the number of users that Permit.io did not know.
    #[must_use]
    pub const fn users(&self) -> usize {
        self.users
    }

    /// Returns the number of memberships that Permit.io did not know, or may have lost to an older event.
    #[must_use]
    pub const fn joins(&self) -> usize {
        self.joins
    }

    /// Returns the number of memberships that Permit.io should no longer know, or may have got from an older event.
    #[must_use]
    pub const fn leaves(&self) -> usize {
        self.leaves
    }

    /// Returns the number of users that Permit.io should no longer know, or may have got from an older event.
    #[must_use]
    pub const fn deletions(&self) -> usize {
        self.deletions
    }

    /// Returns the number of differences for which the queue had no room. If there are any, reconcile again once the
    /// queue is empty.
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }

    /// Returns the differences that were left alone, because events say something later about them, or because this bridge no
    /// longer knows what they said after the list was read. If there is any, reconcile again with a list that is read now.
    #[must_use]
    pub const fn superseded(&self) -> usize {
        self.superseded
    }
}

impl PermitBridge {
    /// Compares all of Logto's users, and their memberships, with what Permit.io knows, and queues the differences. What a
    /// webhook said about somebody after `read_at` counts for more. Each difference is counted: queued, dropped, or
    /// superseded.
    ///
    /// `read_at` is when reading the list *began*, by a clock that agrees with Logto's; `list` must be the whole list: who
    /// is not in it loses the roles in all tenants that this bridge [manages](super::PermitBridgeBuilder::manages), or is
    /// [deleted](super::PermitBridgeBuilder::delete_missing). A user who is in it twice is a member of all organizations that
    /// either says. The attributes of an existing user are not compared. Events from before `read_at` have no effect from then
    /// on, neither those that arrive later nor those that are queued or being carried out: where they contradict the list,
    /// Permit.io is told what the list says. Two kinds of them are still carried out: the deletion of a user, and the
    /// attributes of a user who is in the list.
    ///
    /// # Errors
    ///
    /// Returns an error if Permit.io does not say what it knows, or its list ends before it is complete. Then nothing is
    /// queued.
    pub async fn reconcile(
        &self,
        read_at: SystemTime,
        list: impl IntoIterator<Item = LogtoUser>,
    ) -> Result<Reconciled, SyncError> {
        let at = since_epoch(read_at).min(self.0.clock.now().unix);
        let comparison = Comparison::begin(self, at);
        let known = self.0.permit.all_users().await?;
        let tenants = |roles: Roles| roles.into_iter().map(|(_, tenant)| tenant).collect();
        let mut known: HashMap<String, BTreeSet<String>> =
            known.into_iter().map(|(key, roles)| (key, tenants(roles))).collect();
        let mut whole: BTreeMap<String, LogtoUser> = BTreeMap::new();
        for mut user in list {
            let twin = whole.remove(&user.user.key);
            user.organizations.extend(twin.into_iter().flat_map(|twin| twin.organizations));
            whole.insert(user.user.key.clone(), user);
        }
        let mut unsettled = self.wishes().settle_before(at, |user| whole.contains_key(user));
        drop(comparison);
        let mut differences = Differences { bridge: self, at, found: Reconciled::default() };
        for (key, LogtoUser { user, organizations }) in whole {
            let seen = Seen::new(known.remove(&key), unsettled.remove(&*key));
            if !seen.is_known {
                differences.found.users += differences.state(&key, None, Wish::Sync(user));
            }
            for organization in organizations.difference(&seen.members).filter(|of| self.manages(of)) {
                differences.found.joins += differences.state(&key, Some(organization), Wish::Join);
            }
            for organization in seen.may_be_members.difference(&organizations).filter(|of| self.manages(of)) {
                differences.found.leaves += differences.state(&key, Some(organization), Wish::Leave);
            }
        }
        let missing: BTreeSet<String> =
            known.keys().cloned().chain(unsettled.keys().map(ToString::to_string)).collect();
        for key in missing {
            let seen = Seen::new(known.remove(&key), unsettled.remove(&*key));
            if self.0.delete_missing {
                if seen.may_be_known {
                    differences.found.deletions += differences.state(&key, None, Wish::Delete);
                }
                continue;
            }
            for tenant in seen.may_be_members.iter().filter(|of| self.manages(of)) {
                differences.found.leaves += differences.state(&key, Some(tenant), Wish::Leave);
            }
        }
        let Reconciled { dropped, superseded, .. } = differences.found;
        if dropped + superseded > 0 {
            tracing::warn!(target: "orgate", dropped, superseded, "differences at Permit.io remain: reconcile again");
        }
        Ok(differences.found)
    }
}

/// While it lasts, what is carried out is noted: Permit.io's answer may not show it.
struct Comparison<'a>(&'a PermitBridge);

impl<'a> Comparison<'a> {
    fn begin(bridge: &'a PermitBridge, at: Duration) -> Self {
        bridge.wishes().begin_comparison(at);
        Self(bridge)
    }
}

impl Drop for Comparison<'_> {
    fn drop(&mut self) {
        self.0.wishes().end_comparison();
    }
}

struct Differences<'a> {
    bridge: &'a PermitBridge,
    at: Duration,
    found: Reconciled,
}

impl Differences<'_> {
    /// How many were queued: one, or none.
    fn state(&mut self, user: &str, organization: Option<&str>, wish: Wish) -> usize {
        let stated = Stated::new(wish, self.at, RECONCILE);
        let now = self.bridge.0.clock.now().monotonic;
        match self.bridge.wishes().state(user, organization, stated, now) {
            Taken::Queued => return 1,
            Taken::Stale => self.found.superseded += 1,
            Taken::Dropped => self.found.dropped += 1,
        }
        0
    }
}
