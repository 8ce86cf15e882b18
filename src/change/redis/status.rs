//! What an operator can see.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cause::{Cause, FaultKind};

/// Whether a replica knows everything that the others know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisState {
    /// Nothing was loaded yet.
    Starting,
    /// Everything that was in Redis within the bound is applied here.
    Current,
    /// That is not known.
    Behind,
}

impl RedisState {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Current => "current",
            Self::Behind => "behind",
        }
    }
}

/// The state of a replica's connection to Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisStatus {
    /// Whether it is current.
    pub state: RedisState,
    /// How old its knowledge is. `None` before the first time.
    pub age: Option<Duration>,
    /// Changes that Redis has acknowledged and this replica has not read back yet.
    pub unconfirmed: usize,
    /// The generation of the table, in milliseconds since the Unix epoch: another one means that it was lost.
    pub generation: Option<String>,
    /// The number of the last entry of the feed that is applied here.
    pub position: Option<u64>,
    /// How many replicas Redis has heard of in the last 30 s.
    pub replicas: usize,
    /// Why Redis could not be used last. `None` while it can be.
    pub error: Option<String>,
    /// Counters since the start.
    pub counts: RedisCounts,
}

/// Counters since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisCounts {
    /// Facts and changes that this replica has published.
    pub published: u64,
    /// Entries of the feed that were applied.
    pub applied: u64,
    /// Rows that were loaded from the table.
    pub loaded: u64,
    /// Rows that the table lacked and this replica has put back.
    pub pushed: u64,
    /// Rows that had ended, or were not believed, and were removed.
    pub dropped: u64,
    /// Connections that were opened.
    pub connects: u64,
    /// Comparisons with the table, by cause: `start`, `gap`, `fork`, `lost`, `unbelieved`, `regular`.
    pub reconciles: BTreeMap<&'static str, u64>,
    /// Errors, by kind: `timed_out`, `connection`, `credentials`, `tls`, `read_only`, `out_of_memory`, `no_replicas`,
    /// `no_permission`, `cluster`, `other`.
    pub errors: BTreeMap<&'static str, u64>,
    /// Facts that lie more than a day ahead of Redis's clock: they were not published.
    pub refused_future: u64,
    /// Rows and entries whose signature is missing or wrong.
    pub refused_mac: u64,
    /// Rows and entries of an unknown kind or that cannot be read.
    pub refused_unknown: u64,
}

/// The same, being counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) published: AtomicU64,
    pub(super) applied: AtomicU64,
    pub(super) loaded: AtomicU64,
    pub(super) pushed: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) connects: AtomicU64,
    reconciles: [AtomicU64; Cause::ALL.len()],
    errors: [AtomicU64; FaultKind::ALL.len()],
    pub(super) refused_future: AtomicU64,
    pub(super) refused_mac: AtomicU64,
    pub(super) refused_unknown: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn reconciled(&self, cause: Cause) {
        for (known, counter) in Cause::ALL.iter().zip(&self.reconciles) {
            count(counter, u64::from(*known == cause));
        }
    }

    pub(super) fn failed(&self, kind: FaultKind) {
        for (known, counter) in FaultKind::ALL.iter().zip(&self.errors) {
            count(counter, u64::from(*known == kind));
        }
    }

    pub(super) fn read(&self) -> RedisCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let reconciles =
            Cause::ALL.iter().zip(&self.reconciles).map(|(cause, counter)| (cause.as_str(), read(counter)));
        let errors = FaultKind::ALL.iter().zip(&self.errors).map(|(kind, counter)| (kind.as_str(), read(counter)));
        RedisCounts {
            published: read(&self.published),
            applied: read(&self.applied),
            loaded: read(&self.loaded),
            pushed: read(&self.pushed),
            dropped: read(&self.dropped),
            connects: read(&self.connects),
            reconciles: reconciles.collect(),
            errors: errors.collect(),
            refused_future: read(&self.refused_future),
            refused_mac: read(&self.refused_mac),
            refused_unknown: read(&self.refused_unknown),
        }
    }
}
