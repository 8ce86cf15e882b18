//! What is known about everybody: bounded, and one fetch at a time for each query.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::slot::{Advice, FlightId, Freshness, Slot, Snapshot};
use super::source::{PermissionQuery, PermissionSource};
use super::source_error::SourceError;
use crate::bounded::Bounded;
use crate::change::{Epoch, Invalidations};
use crate::flight::{Bulkhead, Flight, NO_RUNTIME, Unfinished};
use crate::lock::lock;
use crate::meter::Meter;
use crate::time::Clock;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// A request waits for the fetch under way and the next one, each of them two seconds at most.
const MAX_WAIT: Duration = Duration::from_secs(4);
/// Fetches at a time from one source, and those that wait for their turn.
const MOST_FETCHES: usize = 16;
const MOST_WAITING: usize = 256;
/// Memory is freed after this time without a request; decisions never rest on it.
const IDLE: Duration = Duration::from_secs(3600);
/// After a change that concerns everybody, fetches are spread over this time: most of such changes come in a row.
const SPREAD: Duration = Duration::from_millis(500);

/// Where the permissions of one issuer entry come from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) ask: Arc<dyn PermissionSource>,
    /// No other entry has it, not even one of the same name that comes later.
    pub(crate) id: SourceId,
    invalidations: Arc<Invalidations>,
    /// Its own: a source that hangs keeps no other one waiting.
    pub(crate) slots: Arc<Bulkhead>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SourceId(pub(super) u64);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: SourceId,
    query: PermissionQuery,
}

/// The live permissions of one server.
pub(crate) struct LivePermissions {
    slots: Bounded<Key, Cell>,
    pub(super) clock: Arc<dyn Clock>,
    pub(crate) counts: Counts,
    pub(crate) meter: Meter,
}

/// Counts of live permissions, since the server was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveCounts {
    /// Questions to the sources.
    pub fetches: u64,
    /// Those that brought no answer.
    pub failures: u64,
    /// Judgements by what was known before, because the source gave no answer (`stale_if_error`).
    pub stale: u64,
    /// Judgements by the token alone, because the source gave no answer (`dangerous_token_only_on_error`).
    pub token_only: u64,
}

/// The same, as it grows.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) fetches: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) token_only: AtomicU64,
}

#[derive(Default)]
pub(super) struct Cell {
    slot: Mutex<Slot>,
    pub(super) flight: Flight,
}

impl Cell {
    pub(super) fn lock(&self) -> MutexGuard<'_, Slot> {
        lock(&self.slot)
    }
}

impl Source {
    /// `invalidations`: those of its issuer entry.
    pub(crate) fn new(ask: Arc<dyn PermissionSource>, invalidations: Arc<Invalidations>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            ask,
            id: SourceId(NEXT.fetch_add(1, Ordering::Relaxed)),
            invalidations,
            slots: Arc::new(Bulkhead::new(MOST_FETCHES, MOST_WAITING)),
        }
    }

    /// From when on a snapshot of this query is true.
    fn mark(&self, query: &PermissionQuery) -> Epoch {
        self.invalidations.latest(query.question())
    }

    /// How long a fetch may be put off.
    fn put_off(&self, need: Freshness, now: Duration) -> Option<Duration> {
        let wide = self.invalidations.wide()?;
        (matches!(need, Freshness::Within(..)) && now.saturating_sub(wide) < SPREAD).then_some(SPREAD)
    }
}

impl LivePermissions {
    pub(crate) fn new(most: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            // Least recently used goes first, and a new one is always stored: every fetch can be joined by others.
            slots: Bounded::new(
                Cache::builder().max_capacity(most).time_to_idle(IDLE).eviction_policy(EvictionPolicy::lru()),
            ),
            clock,
            counts: Counts::default(),
            meter: Meter::default(),
        }
    }

    pub(crate) fn measured_by(self, meter: Meter) -> Self {
        Self { meter, ..self }
    }

    /// Now, in the order of fetches and changes: what begins later is greater.
    #[allow(clippy::unused_self, reason = "asked of the store, whatever counts")]
    pub(crate) fn arrival(&self) -> Epoch {
        Epoch::latest()
    }

    /// A snapshot that meets the need, if one is there. Once it is older than `soft`, a new one is fetched behind it.
    pub(crate) fn known(
        self: &Arc<Self>,
        source: &Source,
        query: &PermissionQuery,
        need: Freshness,
        soft: Option<Duration>,
    ) -> Option<Arc<Snapshot>> {
        let key = Key { source: source.id, query: query.clone() };
        let cell = self.slots.get(&key)?;
        let (mark, now) = (source.mark(query), self.clock.now().monotonic);
        let mut slot = cell.lock();
        let held = slot.held(need, mark, now)?;
        let ahead = soft.and_then(|soft| slot.refresh_ahead(soft, now));
        drop(slot);
        if let Some(flight) = ahead {
            self.start(source, query, &cell, flight, None);
        }
        Some(held)
    }

    /// A snapshot that meets the need, fetched if need be.
    ///
    /// # Errors
    ///
    /// Returns an error if the source gave no answer, or not in time.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        source: &Source,
        query: &PermissionQuery,
        need: Freshness,
    ) -> Result<Arc<Snapshot>, SourceError> {
        let key = Key { source: source.id, query: query.clone() };
        let cell = self.slots.get_or_default(key);
        let step = || {
            let (mark, now) = (source.mark(query), self.clock.now().monotonic);
            let advice = cell.lock().ask(need, mark, now);
            match advice {
                Advice::Use(snapshot) => return Some(Ok(snapshot)),
                Advice::Failed(error) => return Some(Err(error)),
                Advice::Fetch(flight) => self.start(source, query, &cell, flight, source.put_off(need, now)),
                Advice::Wait => {}
            }
            None
        };
        // A source that does not answer fails by itself: what ends here is a limit of ours.
        cell.flight.wait(MAX_WAIT, step).await.unwrap_or_else(|unfinished| {
            Err(match unfinished {
                Unfinished::NoRuntime => SourceError::new(format!("live permissions: {NO_RUNTIME}")).not_asked(),
                Unfinished::Late => {
                    SourceError::new(format!("no snapshot within {} s", MAX_WAIT.as_secs())).not_asked()
                }
            })
        })
    }

    /// When the fetch of what is held began, by the monotonic clock; `None` if nothing is held that is true now.
    pub(crate) fn began(&self, source: &Source, query: &PermissionQuery, now: Duration) -> Option<Duration> {
        let cell = self.slots.get(&Key { source: source.id, query: query.clone() })?;
        let held = cell.lock().held(Freshness::After(Epoch::ZERO), source.mark(query), now)?;
        Some(held.began_at())
    }

    /// Whether a snapshot that was waited for still serves.
    pub(crate) fn serves(
        &self,
        source: &Source,
        query: &PermissionQuery,
        snapshot: &Snapshot,
        need: Freshness,
    ) -> bool {
        snapshot.meets(need, source.mark(query), self.clock.now().monotonic)
    }

    #[cfg(test)]
    pub(crate) fn invalidate(&self, source: &Source, about: &crate::change::About, changed: Duration) {
        source.invalidations.note(about, Epoch::next(), Some(changed), self.clock.now().monotonic);
    }

    fn start(
        self: &Arc<Self>,
        source: &Source,
        query: &PermissionQuery,
        cell: &Arc<Cell>,
        flight: FlightId,
        put_off: Option<Duration>,
    ) {
        super::flight::start(self, source, query.clone(), cell, flight, put_off);
    }
}

impl fmt::Debug for LivePermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LivePermissions").field("counts", &self.counts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
