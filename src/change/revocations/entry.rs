//! What is known about one issuer entry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use super::row::{Lifetime, OrganizationRow, Stale, Stamp, SubjectRow, Suspension};
use super::shards::Shards;
use super::verdict::Revoked;
use crate::token::{AccessToken, IssuerId};

/// A token that is known by its `jti` alone may have been issued by a clock ahead of the one that revoked it: the largest
/// leeway there is.
pub(super) const TOKEN_AHEAD: Stamp = 5 * 60;

/// The facts of one issuer entry. Those who write take turns; those who read do not wait for one another.
pub(super) struct EntryRows {
    pub(super) subjects: Shards<SubjectRow>,
    pub(super) organizations: Shards<OrganizationRow>,
    pub(super) clients: Shards<Option<Stamp>>,
    pub(super) tokens: Shards<Option<Stamp>>,
    /// *Not before* of the whole entry: the stamp plus one, or zero.
    everyone: AtomicU64,
    weight: AtomicUsize,
}

/// Whose *not before*.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    Everyone,
    Subject(&'a str),
    Member(&'a str, &'a str),
    Organization(&'a str),
    Client(&'a str),
    Token(&'a str),
    /// A block, and no *not before*.
    Deleted(&'a str),
}

impl EntryRows {
    pub(super) fn new() -> Self {
        Self {
            subjects: Shards::new(),
            organizations: Shards::new(),
            clients: Shards::new(),
            tokens: Shards::new(),
            everyone: AtomicU64::new(0),
            weight: AtomicUsize::new(0),
        }
    }

    /// `leeway`: how far the issuer's clock may be from ours.
    pub(super) fn judge(&self, token: &AccessToken, life: Lifetime, leeway: Duration) -> Result<(), Revoked> {
        let issued = issued(token);
        let refuses = |stamp: Stamp| life.is_alive(stamp) && issued.is_none_or(|issued| issued <= stamp);
        let subject = token.subject().id();
        // The latest that rejects it: a block comes before every other reason.
        let mut latest: Option<Stamp> = None;
        let mut note = |stamp: Option<Stamp>| latest = latest.max(stamp.filter(|stamp| refuses(*stamp)));
        for id in std::iter::once(subject).chain(token.actors()) {
            let found = self.subjects.read(id, |row| (row.is_blocked(life), row.not_before));
            match found {
                Some((true, _)) => return Err(Revoked::Blocked),
                Some((false, not_before)) => note(not_before),
                None => {}
            }
        }
        if !self.organizations.is_empty() {
            for organization in token.organizations() {
                note(self.organizations.read(organization, |row| row.latest(subject)).flatten());
            }
        }
        note(token.client_id().and_then(|client| self.clients.read(client, |row| *row).flatten()));
        let is_alive = |row: &Option<Stamp>| row.is_some_and(|stamp| life.is_alive(stamp));
        let is_named = token.token_id().and_then(|id| self.tokens.read(id, is_alive)) == Some(true);
        // Last: rows that went into it were there a moment ago, or it shows them.
        note(self.everyone());
        match latest {
            Some(stamp) => Err(too_early(stamp, issued, life, leeway)),
            None if is_named => Err(Revoked::TokenId),
            None => Ok(()),
        }
    }

    /// The same by one organization that the token does not name.
    pub(super) fn judge_in(
        &self,
        token: &AccessToken,
        organization: &str,
        life: Lifetime,
        leeway: Duration,
    ) -> Result<(), Revoked> {
        let issued = issued(token);
        let subject = token.subject().id();
        let stamp = self.organizations.read(organization, |row| row.latest(subject)).flatten();
        match stamp.filter(|stamp| life.is_alive(*stamp) && issued.is_none_or(|issued| issued <= *stamp)) {
            Some(stamp) => Err(too_early(stamp, issued, life, leeway)),
            None => Ok(()),
        }
    }

    pub(super) fn everyone(&self) -> Option<Stamp> {
        self.everyone.load(Ordering::Acquire).checked_sub(1)
    }

    /// Moves a row forward, never back. Returns whether that says more than was known.
    pub(super) fn raise(&self, of: Of<'_>, stamp: Stamp) -> bool {
        let is_covered = self.everyone().is_some_and(|everyone| stamp <= everyone);
        if is_covered && !matches!(of, Of::Deleted(_) | Of::Token(_)) {
            return false;
        }
        let mut is_more = false;
        let mut raise = |row: &mut Option<Stamp>| {
            is_more = *row < Some(stamp);
            *row = (*row).max(Some(stamp));
        };
        let weight = match of {
            Of::Everyone => {
                is_more = self.everyone.fetch_max(stamp.saturating_add(1), Ordering::AcqRel) <= stamp;
                0
            }
            Of::Subject(id) => self.subjects.update(id, |row| raise(&mut row.not_before)),
            Of::Organization(id) => self.organizations.update(id, |row| is_more = row.raise(stamp)),
            Of::Deleted(id) => self.subjects.update(id, |row| raise(&mut row.deleted)),
            Of::Client(id) => self.clients.update(id, raise),
            Of::Token(id) => self.tokens.update(id, raise),
            Of::Member(organization, id) => {
                self.organizations.update(organization, |row| is_more = row.raise_member(id, stamp))
            }
        };
        self.weigh(weight);
        is_more
    }

    /// What was known of the suspension before, if this is later.
    pub(super) fn suspend(&self, subject: &str, next: Suspension) -> Result<Option<Suspension>, Stale> {
        let mut outcome = Err(Stale);
        self.subjects.update(subject, |row| outcome = row.suspend(next));
        outcome
    }

    pub(super) fn forget_suspension(&self, subject: &str) {
        self.subjects.update(subject, |row| row.suspension = None);
    }

    /// How many rows there are, suspensions and the one of the whole entry aside.
    pub(super) fn weight(&self) -> usize {
        self.weight.load(Ordering::Relaxed)
    }

    fn weigh(&self, change: isize) {
        // Only writers come here, one at a time.
        self.weight.store(self.weight().saturating_add_signed(change), Ordering::Relaxed);
    }

    /// A crowd of members becomes its organization.
    pub(super) fn merge_members(&self, organization: &str) {
        self.weigh(self.organizations.update(organization, OrganizationRow::merge));
    }

    /// The stamp of each row: a *not before* of the whole entry that is not less covers the row.
    pub(super) fn stamps(&self) -> Vec<Stamp> {
        let mut stamps = Vec::with_capacity(self.weight());
        self.subjects.each(|_, row| stamps.extend(row.stamp()));
        self.organizations.each(|_, row| stamps.extend(row.stamps()));
        self.clients.each(|_, row| stamps.extend(row));
        self.tokens.each(|_, row| stamps.extend(row));
        stamps
    }

    /// Lets go of rows that no longer count, or that the *not before* of the whole entry covers; where `weakening`, of
    /// deletions too. Returns how many of those were still blocks.
    pub(super) fn let_go(&self, life: Lifetime, weakening: bool) -> usize {
        let everyone = self.everyone();
        let counts = |stamp: Stamp| life.is_alive(stamp) && everyone.is_none_or(|everyone| everyone < stamp);
        let keep = |row: &mut Option<Stamp>| *row = row.filter(|stamp| counts(*stamp));
        let mut weakened = 0;
        self.weigh(self.subjects.update_all(|row| {
            keep(&mut row.not_before);
            row.deleted = row.deleted.filter(|stamp| life.is_alive(*stamp));
            if weakening && row.deleted.is_some_and(|stamp| !counts(stamp)) {
                row.deleted = None;
                weakened += 1;
            }
        }));
        self.weigh(self.organizations.update_all(|row| row.keep(counts)));
        self.weigh(self.clients.update_all(keep));
        self.weigh(self.tokens.update_all(keep));
        weakened
    }

    /// Whether nothing is left that counts.
    pub(super) fn is_idle(&self, life: Lifetime) -> bool {
        self.weight() == 0 && self.subjects.is_empty() && !self.everyone().is_some_and(|stamp| life.is_alive(stamp))
    }
}

/// In whole seconds.
fn issued(token: &AccessToken) -> Option<u64> {
    let issued = token.issued_at()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Some(issued.as_secs())
}

/// Issued too early: whether a new token would be rejected as well. In that second, and as far before it as the issuer's clock
/// may be ahead of the one that set the moment.
fn too_early(stamp: Stamp, issued: Option<Stamp>, life: Lifetime, leeway: Duration) -> Revoked {
    let is_recent = issued.is_some_and(|issued| issued.saturating_add(leeway.as_secs()) > stamp);
    // In that second itself it is as good as over.
    match stamp.checked_sub(life.now) {
        Some(left) if left > 0 && is_recent => Revoked::NotYet(Duration::from_secs(left + 1)),
        _ => Revoked::NotBefore,
    }
}

/// What is kept of an entry.
#[derive(Clone)]
pub(super) enum Rows {
    Held(Arc<EntryRows>),
    /// It was removed: a request that verified a token just before must not take that for "nothing was revoked". Remembered
    /// until this moment.
    Removed(Stamp),
}

impl Rows {
    pub(super) fn held(&self) -> Option<&Arc<EntryRows>> {
        match self {
            Self::Held(rows) => Some(rows),
            Self::Removed(_) => None,
        }
    }
}

/// The entries: one comparison where there is one.
pub(super) type Entries = BTreeMap<IssuerId, Rows>;
