//! What the parts of one replica share.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::cause::Fault;
use super::codec::Codec;
use super::doubt::Doubted;
use super::feed::Row;
use super::keys::Keys;
use super::session::Commands;
use super::settings::Settings;
use super::standing::Standing;
use super::status::{Counters, RedisState, RedisStatus};
use super::tls::Tls;
use crate::change::Facts;
use crate::lock::lock;

/// Published rows that are remembered until they were read back. With more, everything is compared when a connection is lost.
const MOST_UNCONFIRMED: usize = 20_000;

/// Settings, state and counters of one replica.
pub(super) struct Link {
    pub(super) settings: Settings,
    pub(super) keys: Arc<Keys>,
    pub(super) codec: Codec,
    pub(super) tls: Option<Tls>,
    /// Under which this process beats.
    pub(super) replica: String,
    /// What is published over, while there is a server and its table was compared.
    pub(super) open: watch::Sender<Option<Open>>,
    pub(super) standing: Mutex<Standing>,
    pub(super) unconfirmed: Mutex<Unconfirmed>,
    /// What was published by this replica, or seen in the table or the feed: only that is put back when it is missing.
    seen: Mutex<HashSet<u64>>,
    pub(super) doubted: Mutex<Doubted>,
    pub(super) hasher: RandomState,
    /// Told when a publisher finds that something is wrong.
    pub(super) broken: Notify,
    /// When it was said last that something is not believed.
    /// When a row that is not signed, and one that cannot be read, was last reported.
    pub(super) refused_said: Mutex<(Option<Instant>, Option<Instant>)>,
    pub(super) counters: Counters,
    pub(super) replicas: AtomicUsize,
    /// About how many rows the table has.
    pub(super) rows: AtomicU64,
    pub(super) state: Mutex<RedisState>,
    pub(super) error: Mutex<Option<Fault>>,
    pub(super) held: Mutex<Option<Arc<dyn Facts>>>,
    pub(super) was_followed: AtomicBool,
}

/// A server that can be published to, and the generation of its table.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) commands: Commands,
    pub(super) generation: String,
}

/// What Redis has acknowledged, and this replica has not read back.
#[derive(Default)]
pub(super) struct Unconfirmed {
    batches: VecDeque<(String, u64, Vec<Row>)>,
    rows: usize,
    /// Some were let go of.
    pub(super) is_incomplete: bool,
}

impl Link {
    pub(super) fn new(settings: Settings, fleet: &str, codec: Codec, tls: Option<Tls>, replica: String) -> Self {
        Self {
            settings,
            keys: Arc::new(Keys::of(fleet)),
            codec,
            tls,
            replica,
            open: watch::Sender::new(None),
            standing: Mutex::default(),
            unconfirmed: Mutex::default(),
            seen: Mutex::default(),
            doubted: Mutex::default(),
            hasher: RandomState::new(),
            broken: Notify::new(),
            refused_said: Mutex::default(),
            counters: Counters::default(),
            replicas: AtomicUsize::new(1),
            rows: AtomicU64::new(0),
            state: Mutex::new(RedisState::Starting),
            error: Mutex::new(None),
            held: Mutex::new(None),
            was_followed: AtomicBool::new(false),
        }
    }

    pub(super) fn see(&self, field: &str) {
        let hash = self.hasher.hash_one(field);
        let mut seen = lock(&self.seen);
        if seen.len() < self.most_remembered() {
            seen.insert(hash);
        }
    }

    /// Rows that are remembered of the table, which may hold more: suspensions are never made coarser, and others may write to
    /// it. What is beyond applies all the same; it is removed, signed anew or put back at a later comparison.
    pub(super) fn most_remembered(&self) -> usize {
        usize::try_from(self.settings.max_rows.saturating_mul(2)).unwrap_or(usize::MAX)
    }

    pub(super) fn has_seen(&self, field: &str) -> bool {
        lock(&self.seen).contains(&self.hasher.hash_one(field))
    }

    /// Keeps what was seen of these only.
    pub(super) fn see_only(&self, fields: impl Iterator<Item = u64>) {
        *lock(&self.seen) = fields.collect();
    }

    pub(super) fn hash(&self, field: &str) -> u64 {
        self.hasher.hash_one(field)
    }

    pub(super) fn failed(&self, fault: Fault) {
        self.counters.failed(fault.kind);
        *lock(&self.error) = Some(fault);
    }

    /// How old the knowledge is: `None` before the first time.
    pub(super) fn age(&self) -> Option<Duration> {
        let now = lock(&self.held).clone()?.now().monotonic;
        Some(now.saturating_sub(lock(&self.standing).as_of?))
    }

    /// Looks at the clock, and tells if the state is another one than before.
    pub(super) fn look(&self) -> RedisState {
        let state = match self.age() {
            Some(age) if age < self.settings.bound => RedisState::Current,
            Some(_) => RedisState::Behind,
            None => RedisState::Starting,
        };
        let before = std::mem::replace(&mut *lock(&self.state), state);
        if before != state {
            let error = lock(&self.error).as_ref().map(ToString::to_string);
            if state == RedisState::Current {
                tracing::info!(target: "orgate", "this replica is current");
            } else {
                tracing::error!(target: "orgate", error, "this replica is behind the others");
            }
            if let Some(watcher) = &self.settings.watcher {
                // It is foreign code, and the task goes on without it.
                if catch_unwind(AssertUnwindSafe(|| watcher(state))).is_err() {
                    tracing::error!(target: "orgate", state = state.as_str(), "on_state panicked");
                }
            }
        }
        state
    }

    pub(super) fn status(&self) -> RedisStatus {
        let state = self.look();
        let age = self.age();
        let position = lock(&self.standing).position.clone();
        RedisStatus {
            state,
            age,
            unconfirmed: lock(&self.unconfirmed).rows,
            generation: position.as_ref().map(|position| position.generation.clone()),
            position: position.map(|position| position.number),
            replicas: self.replicas.load(std::sync::atomic::Ordering::Relaxed),
            error: lock(&self.error).as_ref().map(ToString::to_string),
            counts: self.counters.read(),
        }
    }
}

impl Unconfirmed {
    pub(super) fn add(&mut self, generation: &str, number: u64, rows: Vec<Row>) {
        self.rows += rows.len();
        self.batches.push_back((generation.to_owned(), number, rows));
        while self.rows > MOST_UNCONFIRMED {
            let Some((_, _, rows)) = self.batches.pop_front() else { break };
            self.rows -= rows.len();
            self.is_incomplete = true;
        }
    }

    /// This replica has read the feed up to here.
    pub(super) fn confirm(&mut self, generation: &str, number: u64) {
        while let Some((of, last, rows)) = self.batches.front() {
            if of != generation || *last > number {
                break;
            }
            self.rows -= rows.len();
            self.batches.pop_front();
        }
        self.is_incomplete &= !self.batches.is_empty();
    }

    /// How far the feed is at least, as Redis has acknowledged.
    pub(super) fn reaches(&self, generation: &str) -> u64 {
        let of_it = self.batches.iter().filter(|(of, ..)| of == generation);
        of_it.map(|(_, last, _)| *last).max().unwrap_or(0)
    }

    /// Everything, to be published again.
    pub(super) fn take(&mut self) -> Vec<Row> {
        self.rows = 0;
        self.is_incomplete = false;
        self.batches.drain(..).flat_map(|(_, _, rows)| rows).collect()
    }
}
