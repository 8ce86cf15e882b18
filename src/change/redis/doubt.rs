//! Rows that are not believed: they were forged, or another replica has a secret that is not known here.

use std::hash::BuildHasher as _;
use std::time::Duration;

use super::cause::{Cause, Fault, FaultKind};
use super::codec::{Unbelieved, is_signed};
use super::link::Link;
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

impl Doubtful {
    pub(super) fn has_signed(&self) -> bool {
        !self.signed.is_empty()
    }

    /// Remembers a row, if there is room.
    pub(super) fn add(&mut self, unbelieved: Unbelieved, field: String, value: String, most: usize) {
        let is_signed = unbelieved == Unbelieved::Mac && is_signed(&value);
        let rows = if is_signed { &mut self.signed } else { &mut self.unsigned };
        if rows.len() < most {
            rows.push((field, value));
        }
    }
}

impl Link {
    /// The rows to be removed, and whether this replica is in doubt from now on: then signed ones stay, and it is not current.
    ///
    /// What another replica publishes is in the feed, where it is found first: if the feed held nothing that is not believed up to
    /// a number that came after the row was read, somebody else wrote the row. It is removed by the comparison after.
    pub(super) fn weigh(&self, cause: Cause, doubtful: Doubtful, number: u64) -> (Vec<(String, String)>, bool) {
        let Doubtful { unsigned: mut removed, signed } = doubtful;
        let hashes = signed.iter().map(|row| self.hasher.hash_one(row)).collect();
        let (before, upto) = std::mem::replace(&mut *lock(&self.doubted), (hashes, number));
        let (was_in_doubt, is_read) = {
            let standing = lock(&self.standing);
            (standing.is_in_doubt, standing.position.as_ref().is_some_and(|position| position.number >= upto))
        };
        let is_in_doubt = !signed.is_empty() && (was_in_doubt || cause != Cause::Regular);
        if !is_in_doubt {
            let is_forged = |row: &(String, String)| is_read && before.contains(&self.hasher.hash_one(row));
            removed.extend(signed.into_iter().filter(is_forged));
        } else if !was_in_doubt {
            let text = "facts in Redis are signed with a secret that this replica does not have";
            tracing::error!(target: "orgate", "{text}: it is not current until they are signed anew or removed");
            self.failed(Fault::new(FaultKind::Other, text));
        }
        (removed, is_in_doubt)
    }

    /// How long until the next regular comparison, about.
    pub(super) fn compares_every(&self) -> Duration {
        let every = self.settings.reconcile_every;
        if lock(&self.standing).is_in_doubt { every.min(LOOKS_EVERY) } else { every }
    }
}
