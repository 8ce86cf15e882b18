//! What webhooks did not say: the whole list against what Permit.io knows.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::SystemTime;

use super::PermitBridge;
use super::handle::since_epoch;
use super::wishes::{Stated, Taken, Wish};
use crate::permit::{PermitUser, SyncError};

const NAME: &str = "reconcile";

/// A user as Logto has it, with the organizations that the user is a member of. `Debug` shows nothing of it.
#[derive(Clone)]
#[must_use]
pub struct LogtoUser {
    user: PermitUser,
    organizations: BTreeSet<String>,
}

impl LogtoUser {
    /// This user, a member of no organization.
    pub const fn new(user: PermitUser) -> Self {
        Self { user, organizations: BTreeSet::new() }
    }

    /// A member of this organization, too.
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

/// What a [`PermitBridge::reconcile`] found: counts, and nobody's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    users: usize,
    joins: usize,
    leaves: usize,
    deletions: usize,
    dropped: usize,
}

impl Reconciled {
    /// Users that Permit.io did not know.
    #[must_use]
    pub const fn users(&self) -> usize {
        self.users
    }

    /// Memberships that it did not know.
    #[must_use]
    pub const fn joins(&self) -> usize {
        self.joins
    }

    /// Memberships that it should not know any more.
    #[must_use]
    pub const fn leaves(&self) -> usize {
        self.leaves
    }

    /// Users that it should not know any more.
    #[must_use]
    pub const fn deletions(&self) -> usize {
        self.deletions
    }

    /// Differences for which the queue had no room. Not zero: reconcile again once it is worked off.
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }
}

impl PermitBridge {
    /// Compares all of Logto's users, and their memberships, with what Permit.io knows, and queues the differences. What a
    /// webhook said about somebody after `read_at` counts for more.
    ///
    /// `read_at` is when reading the list *began*, by a clock that agrees with Logto's; `list` must be the whole list: who
    /// is not in it loses the roles in all tenants that this bridge [manages](super::PermitBridgeBuilder::manages), or is
    /// [deleted](super::PermitBridgeBuilder::delete_missing). What is known about a user that is there already is not
    /// compared.
    ///
    /// # Errors
    ///
    /// When Permit.io does not say what it knows. Then nothing is queued.
    pub async fn reconcile(
        &self,
        read_at: SystemTime,
        list: impl IntoIterator<Item = LogtoUser>,
    ) -> Result<Reconciled, SyncError> {
        let mut known: HashMap<String, Vec<(String, String)>> = self.0.permit.all_users().await?.into_iter().collect();
        let mut differences = Differences { bridge: self, read_at, found: Reconciled::default() };
        for LogtoUser { user, organizations } in list {
            let key = user.key.clone();
            let roles = known.remove(&key);
            if roles.is_none() {
                differences.found.users += differences.state(&key, None, Wish::Sync(user));
            }
            let tenants: BTreeSet<String> =
                roles.unwrap_or_default().into_iter().map(|(_, tenant)| tenant).filter(|of| self.manages(of)).collect();
            for organization in organizations.difference(&tenants).filter(|of| self.manages(of)) {
                differences.found.joins += differences.state(&key, Some(organization), Wish::Join);
            }
            for organization in tenants.difference(&organizations) {
                differences.found.leaves += differences.state(&key, Some(organization), Wish::Leave);
            }
        }
        for (key, roles) in known {
            if self.0.delete_missing {
                differences.found.deletions += differences.state(&key, None, Wish::Delete);
                continue;
            }
            let tenants: BTreeSet<String> = roles.into_iter().map(|(_, tenant)| tenant).collect();
            for tenant in tenants.iter().filter(|of| self.manages(of)) {
                differences.found.leaves += differences.state(&key, Some(tenant), Wish::Leave);
            }
        }
        Ok(differences.found)
    }
}

struct Differences<'a> {
    bridge: &'a PermitBridge,
    read_at: SystemTime,
    found: Reconciled,
}

impl Differences<'_> {
    /// How many were queued: one, or none.
    fn state(&mut self, user: &str, organization: Option<&str>, wish: Wish) -> usize {
        let stated = Stated { wish, at: since_epoch(self.read_at), event: NAME };
        let now = self.bridge.0.clock.now().monotonic;
        match self.bridge.wishes().state(user, organization, stated, now) {
            Taken::Queued => 1,
            Taken::Stale => 0,
            Taken::Dropped => {
                self.found.dropped += 1;
                0
            }
        }
    }
}
