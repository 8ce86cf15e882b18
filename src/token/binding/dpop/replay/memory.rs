//! The proofs that this process has seen: bounded, shared out fairly, and never forgotten early.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::{Mark, ProofKey};
use crate::lock::lock;
use crate::time::Now;

/// Proofs are forgotten by slices of time, this many seconds long, when a whole slice is over.
const SLICE: u64 = 8;
/// How many expired proofs one request clears away: more than it adds, and never a long wait.
const CLEARED_AT_ONCE: usize = 32;
/// No subject of an issuer entry holds more than this part of the room.
const SHARES: usize = 64;

pub(in super::super) struct ReplayMemory {
    table: Mutex<Table>,
    capacity: usize,
    hasher: RandomState,
}

/// What became of a proof that was to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Recorded {
    /// It was not used before.
    First,
    /// It was used before, by this request.
    Again(Mark),
    /// It could have been used before: proofs of that time are forgotten already, since the clock was set back.
    Unknown,
    /// The subject holds all the room that one may have.
    ShareSpent,
    /// There is no room.
    Full,
}

#[derive(Default)]
struct Table {
    seen: HashMap<ProofKey, Seen>,
    /// In the order in which they expire.
    slices: BTreeMap<u64, Vec<ProofKey>>,
    /// How many proofs of each slice a subject holds.
    owners: HashMap<u64, Vec<(u64, usize)>>,
    /// The last slice of which something was forgotten.
    forgotten: u64,
}

struct Seen {
    /// `None` once it was withdrawn: it can be used, and takes its owner's room until it expires.
    mark: Option<Mark>,
    owner: u64,
    slice: u64,
}

impl ReplayMemory {
    /// Room for this many proofs that have not expired.
    pub(in super::super) fn new(capacity: usize) -> Self {
        Self { table: Mutex::default(), capacity, hasher: RandomState::new() }
    }

    /// Records a proof for the subject that used it, unless it is recorded already.
    pub(in super::super) fn record(
        &self,
        proof: ProofKey,
        owner: &impl Hash,
        mark: Mark,
        expires_at: Duration,
        now: &Now,
    ) -> Recorded {
        let owner = self.hasher.hash_one(owner);
        let present = now.unix.as_secs() / SLICE;
        let slice = (expires_at.as_secs() / SLICE).saturating_add(1);
        let mut table = self.table();
        table.clear_expired(present);
        if let Some(seen) = table.seen.get(&proof)
            && seen.slice <= present
        {
            table.remove(&proof);
        }
        let recorded = self.look(&table, &proof, owner, slice, present);
        if recorded == Recorded::First {
            table.insert(proof, Seen { mark: Some(mark), owner, slice });
        }
        recorded
    }

    /// What [`record`](Self::record) would say of it, without recording it.
    pub(in super::super) fn preview(
        &self,
        proof: &ProofKey,
        owner: &impl Hash,
        expires_at: Duration,
        now: &Now,
    ) -> Recorded {
        let (owner, present) = (self.hasher.hash_one(owner), now.unix.as_secs() / SLICE);
        let slice = (expires_at.as_secs() / SLICE).saturating_add(1);
        let mut table = self.table();
        table.clear_expired(present);
        self.look(&table, proof, owner, slice, present)
    }

    fn look(&self, table: &Table, proof: &ProofKey, owner: u64, slice: u64, present: u64) -> Recorded {
        if let Some(seen) = table.seen.get(proof).filter(|seen| seen.slice > present) {
            return seen.mark.map_or(Recorded::First, Recorded::Again);
        }
        if slice <= table.forgotten {
            return Recorded::Unknown;
        }
        if table.held_by(owner, present) >= (self.capacity / SHARES).max(1) {
            return Recorded::ShareSpent;
        }
        if table.held(present) >= self.capacity {
            return Recorded::Full;
        }
        Recorded::First
    }

    /// Takes back what this request has recorded: it was rejected after all.
    pub(in super::super) fn withdraw(&self, proof: &ProofKey, mark: &Mark) {
        let mut table = self.table();
        if let Some(seen) = table.seen.get_mut(proof) {
            seen.mark.take_if(|recorded| recorded == mark);
        }
    }

    /// Held for operations on maps only.
    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }
}

impl Table {
    /// How many proofs have not expired. Those that were withdrawn take room as well.
    fn held(&self, present: u64) -> usize {
        self.slices.range(present.saturating_add(1)..).map(|(_, keys)| keys.len()).sum()
    }

    fn held_by(&self, owner: u64, present: u64) -> usize {
        let counts = self.owners.get(&owner).into_iter().flatten();
        counts.filter(|(slice, _)| *slice > present).map(|(_, count)| count).sum()
    }

    fn insert(&mut self, proof: ProofKey, seen: Seen) {
        if let Some(withdrawn) = self.seen.get_mut(&proof) {
            withdrawn.mark = seen.mark;
            return;
        }
        self.slices.entry(seen.slice).or_default().push(proof);
        let counts = self.owners.entry(seen.owner).or_default();
        match counts.iter_mut().find(|(slice, _)| *slice == seen.slice) {
            Some((_, count)) => *count += 1,
            None => counts.push((seen.slice, 1)),
        }
        self.seen.insert(proof, seen);
    }

    fn remove(&mut self, proof: &ProofKey) {
        let Some(seen) = self.seen.remove(proof) else { return };
        let Some(counts) = self.owners.get_mut(&seen.owner) else { return };
        counts.retain_mut(|(slice, count)| {
            *count -= usize::from(*slice == seen.slice);
            *count > 0
        });
        if counts.is_empty() {
            self.owners.remove(&seen.owner);
        }
    }

    fn clear_expired(&mut self, present: u64) {
        for _ in 0..CLEARED_AT_ONCE {
            let Some(mut first) = self.slices.first_entry().filter(|slice| *slice.key() <= present) else { return };
            let slice = *first.key();
            let key = first.get_mut().pop();
            if first.get().is_empty() {
                first.remove();
            }
            if let Some(key) = key.filter(|key| self.seen.get(key).is_some_and(|seen| seen.slice == slice)) {
                self.forgotten = self.forgotten.max(slice);
                self.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
