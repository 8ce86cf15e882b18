//! What is known about one issuer entry.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use super::fact::{Revoked, organizations_of};
use super::shards::{Row, Shards};
use crate::token::AccessToken;

/// A moment in whole seconds since the Unix epoch, rounded down: tokens issued in that second or earlier are refused.
pub(super) type Stamp = u64;

pub(super) fn unix(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Which rows still count.
#[derive(Clone, Copy)]
pub(super) struct Lifetime {
    pub(super) now: Stamp,
    /// How long a row counts, in seconds.
    pub(super) lasting: u64,
}

impl Lifetime {
    pub(super) fn is_alive(self, stamp: Stamp) -> bool {
        self.now < stamp.saturating_add(self.lasting)
    }
}

/// The facts of one issuer entry. Those who write take turns; those who read do not wait for one another.
pub(super) struct EntryRows {
    subjects: Shards<SubjectRow>,
    pub(super) organizations: Shards<OrganizationRow>,
    clients: Shards<Option<Stamp>>,
    tokens: Shards<Option<Stamp>>,
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

#[derive(Default)]
struct SubjectRow {
    not_before: Option<Stamp>,
    deleted: Option<Stamp>,
    suspension: Option<Suspension>,
}

/// The latest that is known about a suspension.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Suspension {
    pub(super) at: Duration,
    pub(super) suspended: bool,
}

#[derive(Default)]
pub(super) struct OrganizationRow {
    not_before: Option<Stamp>,
    pub(super) members: HashMap<Box<str>, Stamp>,
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

    pub(super) fn judge(&self, token: &AccessToken, life: Lifetime) -> Result<(), Revoked> {
        let issued = token.issued_at().map(|at| unix(at).as_secs());
        let refuses = |stamp: Stamp| life.is_alive(stamp) && issued.is_none_or(|issued| issued <= stamp);
        let subject = token.subject().id();
        if let Some(verdict) = self.subjects.read(subject, |row| row.judge(life, refuses)) {
            verdict?;
        }
        if !self.organizations.is_empty() {
            for organization in organizations_of(token) {
                if self.organizations.read(organization, |row| row.refuses(subject, refuses)) == Some(true) {
                    return Err(Revoked::NotBefore);
                }
            }
        }
        let of_client = token.client_id().and_then(|client| self.clients.read(client, |row| row.is_some_and(refuses)));
        if of_client == Some(true) {
            return Err(Revoked::NotBefore);
        }
        let is_alive = |row: &Option<Stamp>| row.is_some_and(|stamp| life.is_alive(stamp));
        if token.token_id().and_then(|id| self.tokens.read(id, is_alive)) == Some(true) {
            return Err(Revoked::TokenId);
        }
        // Last: rows that went into it were there a moment ago, or it shows them.
        if self.everyone().is_some_and(refuses) { Err(Revoked::NotBefore) } else { Ok(()) }
    }

    pub(super) fn everyone(&self) -> Option<Stamp> {
        self.everyone.load(Ordering::Acquire).checked_sub(1)
    }

    /// Moves a row forward, never back.
    pub(super) fn raise(&self, of: Of<'_>, stamp: Stamp) {
        let is_covered = self.everyone().is_some_and(|everyone| stamp <= everyone);
        if is_covered && !matches!(of, Of::Deleted(_) | Of::Token(_)) {
            return;
        }
        let raise = |row: &mut Option<Stamp>| *row = (*row).max(Some(stamp));
        self.weigh(match of {
            Of::Everyone => {
                self.everyone.fetch_max(stamp.saturating_add(1), Ordering::AcqRel);
                0
            }
            Of::Subject(id) => self.subjects.update(id, |row| raise(&mut row.not_before)),
            Of::Organization(id) => self.organizations.update(id, |row| row.raise(stamp)),
            Of::Deleted(id) => self.subjects.update(id, |row| raise(&mut row.deleted)),
            Of::Client(id) => self.clients.update(id, raise),
            Of::Token(id) => self.tokens.update(id, raise),
            Of::Member(organization, id) => self.organizations.update(organization, |row| row.raise_member(id, stamp)),
        });
    }

    /// Takes the suspension if it is later than what is known. Of the same moment, the stricter one counts.
    pub(super) fn suspend(&self, subject: &str, next: Suspension) -> Result<Option<Suspension>, Stale> {
        let mut outcome = Err(Stale);
        self.subjects.update(subject, |row| {
            if row.suspension.is_none_or(|known| (known.at, known.suspended) < (next.at, next.suspended)) {
                outcome = Ok(row.suspension.replace(next));
            }
        });
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
        self.weigh(self.organizations.update(organization, |row| {
            if let Some(latest) = row.members.values().copied().max() {
                row.raise(latest);
            }
        }));
    }

    /// The stamp of each row: a *not before* of the whole entry that is not less covers the row.
    pub(super) fn stamps(&self) -> Vec<Stamp> {
        let mut stamps = Vec::with_capacity(self.weight());
        self.subjects.each(|_, row| stamps.extend(row.not_before.max(row.deleted)));
        self.organizations.each(|_, row| stamps.extend(row.not_before.iter().chain(row.members.values())));
        self.clients.each(|_, row| stamps.extend(row));
        self.tokens.each(|_, row| stamps.extend(row));
        stamps
    }

    /// Lets go of rows that count no longer, or that the *not before* of the whole entry covers; where `weakening`, of
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
        self.weigh(self.organizations.update_all(|row| {
            keep(&mut row.not_before);
            row.members.retain(|_, stamp| counts(*stamp));
        }));
        self.weigh(self.clients.update_all(keep));
        self.weigh(self.tokens.update_all(keep));
        weakened
    }

    /// Whether nothing is left that counts.
    pub(super) fn is_idle(&self, life: Lifetime) -> bool {
        self.weight() == 0 && self.subjects.is_empty() && !self.everyone().is_some_and(|stamp| life.is_alive(stamp))
    }
}

/// Something later is known.
pub(super) struct Stale;

impl SubjectRow {
    fn judge(&self, life: Lifetime, refuses: impl Fn(Stamp) -> bool) -> Result<(), Revoked> {
        let is_suspended = self.suspension.is_some_and(|suspension| suspension.suspended);
        if is_suspended || self.deleted.is_some_and(|stamp| life.is_alive(stamp)) {
            return Err(Revoked::Blocked);
        }
        if self.not_before.is_some_and(refuses) { Err(Revoked::NotBefore) } else { Ok(()) }
    }
}

impl Row for SubjectRow {
    fn weight(&self) -> usize {
        usize::from(self.not_before.is_some() || self.deleted.is_some())
    }

    fn is_empty(&self) -> bool {
        self.weight() == 0 && self.suspension.is_none()
    }
}

impl OrganizationRow {
    fn raise(&mut self, stamp: Stamp) {
        self.not_before = self.not_before.max(Some(stamp));
        self.members.retain(|_, member| *member > stamp);
    }

    fn raise_member(&mut self, id: &str, stamp: Stamp) {
        if self.not_before.is_some_and(|covering| stamp <= covering) {
            return;
        }
        match self.members.get_mut(id) {
            Some(member) => *member = stamp.max(*member),
            None => _ = self.members.insert(id.into(), stamp),
        }
    }

    fn refuses(&self, subject: &str, refuses: impl Fn(Stamp) -> bool) -> bool {
        self.not_before.is_some_and(&refuses) || self.members.get(subject).copied().is_some_and(refuses)
    }
}

impl Row for OrganizationRow {
    fn weight(&self) -> usize {
        usize::from(self.not_before.is_some()) + self.members.len()
    }

    fn is_empty(&self) -> bool {
        self.weight() == 0
    }
}

impl Row for Option<Stamp> {
    fn weight(&self) -> usize {
        usize::from(self.is_some())
    }

    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

/// The entries, by name.
pub(super) type Entries = HashMap<Arc<str>, Arc<EntryRows>>;
