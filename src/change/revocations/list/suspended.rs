//! Which suspensions there are, and which one makes room for another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::change::Rank;
use crate::token::IssuerId;

/// The suspensions of all issuer entries, lifted ones among them, each entry's in the order of their moments.
#[derive(Default)]
pub(super) struct Suspended {
    count: usize,
    entries: BTreeMap<IssuerId, OfEntry>,
}

type Subjects = BTreeSet<(Rank, Arc<str>)>;

#[derive(Default)]
struct OfEntry {
    standing: Subjects,
    lifted: Subjects,
}

/// A suspension that was taken out.
pub(super) struct TakenOut {
    pub(super) issuer: IssuerId,
    pub(super) subject: Arc<str>,
    pub(super) rank: Rank,
}

impl Suspended {
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// `known`: what was known of it before.
    pub(super) fn note(&mut self, issuer: IssuerId, subject: &str, known: Option<Rank>, next: Rank) {
        let entry = self.entries.entry(issuer).or_default();
        let mut subject: Arc<str> = subject.into();
        if let Some(known) = known {
            let before = (known, subject);
            entry.of(known).remove(&before);
            subject = before.1;
        } else {
            self.count += 1;
        }
        entry.of(next).insert((next, subject));
    }

    /// Takes one out in the entry that has most; of several, in that of the latest fact, `issuer`. First the oldest one that was
    /// lifted. Where all of them stand, the latest one, unless the latest fact lifts: then it is not remembered itself.
    pub(super) fn make_room(&mut self, issuer: IssuerId, subject: &str, rank: Rank) -> Option<TakenOut> {
        let most = self.entries.iter().max_by_key(|(id, entry)| (entry.count(), **id == issuer));
        let most = most.map(|(id, _)| *id)?;
        let entry = self.entries.get_mut(&most)?;
        let (issuer, (rank, subject)) = if let Some(oldest) = entry.lifted.pop_first() {
            (most, oldest)
        } else if rank.is_strict() {
            (most, entry.standing.pop_last()?)
        } else {
            let own = (rank, subject.into());
            self.entries.get_mut(&issuer)?.lifted.remove(&own);
            (issuer, own)
        };
        self.count -= 1;
        Some(TakenOut { issuer, subject, rank })
    }

    pub(super) fn remove(&mut self, issuer: IssuerId) {
        let removed = self.entries.remove(&issuer).map_or(0, |entry| entry.count());
        self.count -= removed;
    }
}

impl OfEntry {
    fn of(&mut self, rank: Rank) -> &mut Subjects {
        if rank.is_strict() { &mut self.standing } else { &mut self.lifted }
    }

    fn count(&self) -> usize {
        self.standing.len() + self.lifted.len()
    }
}
