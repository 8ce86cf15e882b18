//! What is known about one issuer entry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::fact::{Revoked, organizations_of};
use super::row::{Lifetime, OrganizationRow, Stale, Stamp, SubjectRow, Suspension, unix};
use super::shards::Shards;
use crate::token::AccessToken;

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
        let refuses = |stamp: Stamp| {
            life.is_alive(stamp) && token.issued_at().is_none_or(|issued| unix(issued).as_secs() <= stamp)
        };
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

/// The entries, by name: one comparison where there is one.
pub(super) type Entries = BTreeMap<Arc<str>, Arc<EntryRows>>;
