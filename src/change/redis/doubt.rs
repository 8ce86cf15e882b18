//! Rows that are not believed: they were forged, or another replica has a secret that is not known here.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use super::cause::{Cause, Fault, FaultKind};
use super::codec::{Unbelieved, signed_rank};
use super::link::Link;
use super::reconcile::seconds;
use crate::lock::lock;

/// Between two comparisons of a replica that is in doubt.
const LOOKS_EVERY: Duration = Duration::from_secs(10);

/// Rows that are not believed, with their values.
#[derive(Default)]
pub(super) struct Doubtful {
    unsigned: Vec<(String, String)>,
    /// By whomever.
    signed: Vec<(String, String)>,
}

/// What was not believed when the table was last compared.
#[derive(Default)]
pub(super) struct Doubted {
    /// The signed rows, with their values.
    rows: HashSet<u64>,
    /// Of their fields, and of those that entries of the feed named since.
    ranks: HashMap<u64, u64>,
    /// How far the feed was then.
    upto: u64,
}

/// What becomes of rows that are not believed.
pub(super) struct Weighed {
    pub(super) removed: Vec<(String, String)>,
    /// This replica is in doubt from now on: then signed ones stay, and it is not current.
    pub(super) is_in_doubt: bool,
}

impl Doubtful {
    pub(super) fn has_signed(&self) -> bool {
        !self.signed.is_empty()
    }

    /// Remembers a row, if there is room.
    pub(super) fn add(&mut self, unbelieved: Unbelieved, field: String, value: String, most: usize) {
        let is_signed = unbelieved == Unbelieved::Mac && signed_rank(&value).is_some();
        let rows = if is_signed { &mut self.signed } else { &mut self.unsigned };
        if rows.len() < most {
            rows.push((field, value));
        }
    }
}

impl Doubted {
    /// Whether a field is gone since, or says what it said earlier. What a replica puts back may lack the milliseconds.
    fn went_back(&self, now: &Self, believed: &HashMap<String, u64>, hasher: &RandomState) -> bool {
        let hashed = believed.iter().map(|(field, rank)| (hasher.hash_one(field), *rank));
        let believed: HashMap<u64, u64> = hashed.collect();
        let latest = |field| now.ranks.get(field).max(believed.get(field));
        self.ranks.iter().any(|(field, rank)| latest(field).is_none_or(|latest| seconds(*latest) < seconds(*rank)))
    }
}

impl Link {
    /// Weighs the rows that are not believed, beside those that are.
    ///
    /// What another replica publishes is in the feed, where it is found first: if the feed held nothing that is not believed up to
    /// a number that came after the row was read, somebody else wrote the row. It is removed by the comparison after.
    pub(super) fn weigh(
        &self,
        cause: Cause,
        doubtful: Doubtful,
        number: u64,
        believed: &HashMap<String, u64>,
    ) -> Weighed {
        let Doubtful { unsigned: mut removed, signed } = doubtful;
        let doubted = Doubted {
            rows: signed.iter().map(|row| self.hasher.hash_one(row)).collect(),
            ranks: signed.iter().filter_map(|(field, value)| Some((self.hash(field), signed_rank(value)?))).collect(),
            upto: number,
        };
        let before = std::mem::take(&mut *lock(&self.doubted));
        let went_back = cause == Cause::Fork && before.went_back(&doubted, believed, &self.hasher);
        let mut standing = lock(&self.standing);
        let (was_in_doubt, is_odd) = (standing.is_in_doubt, cause != Cause::Regular);
        standing.lost_doubted |= was_in_doubt && went_back;
        // Rows that are gone were removed or signed anew. If the table is another one than before, they may have been lost.
        let is_in_doubt = if signed.is_empty() {
            was_in_doubt && (is_odd || standing.hold.is_some())
        } else {
            was_in_doubt || is_odd
        };
        let is_read = standing.has_read(before.upto);
        drop(standing);
        *lock(&self.doubted) = doubted;
        if !is_in_doubt {
            let is_forged = |row: &(String, String)| is_read && before.rows.contains(&self.hasher.hash_one(row));
            removed.extend(signed.into_iter().filter(is_forged));
        } else if !was_in_doubt {
            let text = "facts in Redis are signed with a secret that this replica does not have";
            tracing::error!(target: "orgate", "{text}: it is not current until they are signed anew or removed");
            self.failed(Fault::new(FaultKind::Other, text));
        }
        Weighed { removed, is_in_doubt }
    }

    /// Notes an entry of the feed that is not believed and is left out: another replica lives that knows it.
    pub(super) fn doubt(&self, field: &str, value: &str) {
        let Some(rank) = signed_rank(value) else { return };
        let mut doubted = lock(&self.doubted);
        if !field.is_empty() && doubted.ranks.len() < self.most_remembered() {
            let known = doubted.ranks.entry(self.hash(field)).or_default();
            *known = rank.max(*known);
        }
        lock(&self.standing).lost_doubted = false;
    }

    /// How long until the next regular comparison, about.
    pub(super) fn compares_every(&self) -> Duration {
        let every = self.settings.reconcile_every;
        if lock(&self.standing).is_in_doubt { every.min(LOOKS_EVERY) } else { every }
    }
}
