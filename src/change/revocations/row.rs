//! What is kept about one subject, and about one organization.

use std::collections::HashMap;

use super::shards::Row;
use crate::change::Rank;

/// A moment in whole seconds since the Unix epoch, rounded down: tokens issued in that second or earlier are rejected.
pub(super) type Stamp = u64;

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

/// One subject, whatever its tokens are for.
#[derive(Default)]
pub(super) struct SubjectRow {
    pub(super) not_before: Option<Stamp>,
    pub(super) deleted: Option<Stamp>,
    pub(super) suspension: Option<Suspension>,
}

/// The latest that is known about a suspension: it holds if its rank is strict.
#[derive(Clone, Copy)]
pub(super) struct Suspension(pub(super) Rank);

/// One organization, and the members of whom more is known.
#[derive(Default)]
pub(super) struct OrganizationRow {
    not_before: Option<Stamp>,
    pub(super) members: HashMap<Box<str>, Stamp>,
}

/// As much or more is known.
pub(super) struct Stale;

impl SubjectRow {
    /// The later fact counts. Of the same moment, the stricter one.
    pub(super) fn suspend(&mut self, next: Suspension) -> Result<Option<Suspension>, Stale> {
        if self.suspension.is_some_and(|known| known.0 >= next.0) {
            return Err(Stale);
        }
        Ok(self.suspension.replace(next))
    }

    /// A *not before* that is not less covers the row.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.not_before.max(self.deleted)
    }

    pub(super) fn is_blocked(&self, life: Lifetime) -> bool {
        self.suspension.is_some_and(|suspension| suspension.0.is_strict())
            || self.deleted.is_some_and(|stamp| life.is_alive(stamp))
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
    /// Whether that says more.
    pub(super) fn raise(&mut self, stamp: Stamp) -> bool {
        let is_more = self.not_before < Some(stamp);
        self.not_before = self.not_before.max(Some(stamp));
        self.members.retain(|_, member| *member > stamp);
        is_more
    }

    /// Whether that says more.
    pub(super) fn raise_member(&mut self, id: &str, stamp: Stamp) -> bool {
        if self.not_before.is_some_and(|covering| stamp <= covering) {
            return false;
        }
        match self.members.get_mut(id) {
            Some(member) if *member >= stamp => false,
            Some(member) => {
                *member = stamp;
                true
            }
            None => self.members.insert(id.into(), stamp).is_none(),
        }
    }

    pub(super) fn not_before(&self) -> Option<Stamp> {
        self.not_before
    }

    /// The members become the organization.
    pub(super) fn merge(&mut self) {
        if let Some(latest) = self.members.values().copied().max() {
            self.raise(latest);
            self.members.shrink_to_fit();
        }
    }

    pub(super) fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.not_before.into_iter().chain(self.members.values().copied())
    }

    pub(super) fn keep(&mut self, counts: impl Fn(Stamp) -> bool) {
        self.not_before = self.not_before.filter(|stamp| counts(*stamp));
        self.members.retain(|_, stamp| counts(*stamp));
    }

    /// The latest *not before* for tokens of this subject.
    pub(super) fn latest(&self, subject: &str) -> Option<Stamp> {
        self.not_before.max(self.members.get(subject).copied())
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
