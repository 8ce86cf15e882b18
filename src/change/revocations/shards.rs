//! A map that is read on every request and written rarely.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use crate::lock::{read, write};

const SHARDS: usize = 16;

/// What is kept under one key.
pub(super) trait Row: Default {
    /// How much of the room it takes.
    fn weight(&self) -> usize;

    /// Whether it may go.
    fn is_empty(&self) -> bool;
}

/// Rows by id, in shards, so that a writer never stops all readers, and for long stops none. Locks are held for operations
/// on one map only.
pub(super) struct Shards<V> {
    shards: [RwLock<HashMap<Arc<str>, V>>; SHARDS],
    /// How many rows there are, so that a table without any costs its readers nothing.
    len: AtomicUsize,
}

impl<V: Row> Shards<V> {
    pub(super) fn new() -> Self {
        Self { shards: Default::default(), len: AtomicUsize::new(0) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    pub(super) fn read<T>(&self, id: &str, see: impl FnOnce(&V) -> T) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let shard = read(self.shards.get(shard_of(id))?);
        shard.get(id).map(see)
    }

    /// Changes the row of an id, or the empty one that becomes its row. Returns by how much the weight has changed.
    pub(super) fn update(&self, id: &str, change: impl FnOnce(&mut V)) -> isize {
        let Some(shard) = self.shards.get(shard_of(id)) else { return 0 };
        let mut shard = write(shard);
        let mut row = shard.remove_entry(id).unwrap_or_else(|| (id.into(), V::default()));
        let (before, was_empty) = (row.1.weight(), row.1.is_empty());
        change(&mut row.1);
        let after = row.1.weight();
        match (was_empty, row.1.is_empty()) {
            (true, false) => _ = self.len.fetch_add(1, Ordering::Release),
            (false, true) => _ = self.len.fetch_sub(1, Ordering::Release),
            _ => {}
        }
        if !row.1.is_empty() {
            shard.insert(row.0, row.1);
        }
        after.cast_signed() - before.cast_signed()
    }

    /// Changes every row, and lets go of those that are empty then. Returns by how much the weight has changed.
    pub(super) fn update_all(&self, mut change: impl FnMut(&mut V)) -> isize {
        let mut weight = 0;
        for shard in &self.shards {
            let mut shard = write(shard);
            let rows = shard.len();
            shard.retain(|_, row| {
                weight -= row.weight().cast_signed();
                change(row);
                weight += row.weight().cast_signed();
                !row.is_empty()
            });
            self.len.fetch_sub(rows - shard.len(), Ordering::Release);
        }
        weight
    }

    pub(super) fn each(&self, mut look: impl FnMut(&Arc<str>, &V)) {
        for shard in &self.shards {
            let shard = read(shard);
            shard.iter().for_each(|(id, row)| look(id, row));
        }
    }
}

/// Ids are random at their end. Whoever chooses them badly makes readers share a lock, no more: the maps have keyed hashes.
fn shard_of(id: &str) -> usize {
    let folded = match id.as_bytes().last_chunk::<8>() {
        Some(end) => u64::from_le_bytes(*end),
        None => id.bytes().fold(0, |folded, octet| folded << 8 | u64::from(octet)),
    };
    // The high bits of the product depend on all octets.
    (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60) as usize % SHARDS
}
