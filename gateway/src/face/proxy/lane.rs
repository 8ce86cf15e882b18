use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::client::legacy::Client as Pool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::client::Connector;
use crate::net::Body;

/// A request that its caller gave up after so long without a response counts as late.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// One connection at a time, and the streams that it may have besides those that are open.
pub(super) struct Lane {
    pool: Mutex<Pool<Connector, Body>>,
    free: Arc<Semaphore>,
    all: usize,
    /// How many parts of responses were read from it.
    read: AtomicU64,
    /// Since which turn its connection has been silent; 0 while it is not.
    silent: AtomicU64,
    /// Counts what fell silent, over all connections to the same upstream.
    turns: Arc<AtomicU64>,
}

/// A stream that an upstream counts as open.
pub(super) struct Stream {
    lane: Arc<Lane>,
    /// What the lane had read when the stream was opened.
    read: u64,
    opened: Instant,
    is_late: AtomicBool,
    _one_of_the_lane: OwnedSemaphorePermit,
    _one_of_all: OwnedSemaphorePermit,
}

impl Lane {
    pub(super) fn new(pool: Pool<Connector, Body>, all: usize, turns: Arc<AtomicU64>) -> Self {
        Self {
            pool: Mutex::new(pool),
            free: Arc::new(Semaphore::new(all)),
            all,
            read: AtomicU64::new(0),
            silent: AtomicU64::new(0),
            turns,
        }
    }

    /// Takes a stream, of another connection if this one is silent and has none open.
    pub(super) fn take(&self, connect: impl FnOnce() -> Pool<Connector, Body>) -> Option<Taken> {
        if self.free.available_permits() == 0 {
            return None;
        }
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let one = self.free.clone().try_acquire_owned().ok()?;
        if self.silent_since() > 0 && self.free.available_permits() + 1 == self.all {
            *pool = connect();
            self.silent.store(0, Ordering::Relaxed);
        }
        Some(Taken { pool: pool.clone(), one })
    }

    /// Returns whether a new stream would be one of a connection that is silent.
    pub(super) fn is_retired(&self) -> bool {
        self.silent_since() > 0 && self.free.available_permits() < self.all
    }

    pub(super) fn silent_since(&self) -> u64 {
        self.silent.load(Ordering::Relaxed)
    }
}

/// A stream of a lane, and the connection that it is opened on.
pub(super) struct Taken {
    pub(super) pool: Pool<Connector, Body>,
    one: OwnedSemaphorePermit,
}

impl Taken {
    pub(super) fn open(self, lane: &Arc<Lane>, one_of_all: OwnedSemaphorePermit) -> (Pool<Connector, Body>, Stream) {
        let read = lane.read.load(Ordering::Relaxed);
        let (opened, is_late) = (Instant::now(), AtomicBool::new(false));
        let stream =
            Stream { lane: lane.clone(), read, opened, is_late, _one_of_the_lane: self.one, _one_of_all: one_of_all };
        (self.pool, stream)
    }
}

impl Stream {
    /// Takes note of a part of a response: the connection is alive.
    pub(super) fn note_read(&self) {
        self.lane.read.fetch_add(1, Ordering::Relaxed);
        if self.lane.silent_since() > 0 {
            self.lane.silent.store(0, Ordering::Relaxed);
        }
    }

    /// Takes note that no response came in time. If none came over the whole connection since the request was sent, further
    /// requests avoid it; what is open on it goes on.
    pub(super) fn note_late(&self) {
        if !self.is_late.swap(true, Ordering::Relaxed) && self.lane.read.load(Ordering::Relaxed) == self.read {
            let turn = self.lane.turns.fetch_add(1, Ordering::Relaxed) + 1;
            self.lane.silent.store(turn, Ordering::Relaxed);
        }
    }
}

/// Callers may be less patient than the gateway.
impl Drop for Stream {
    fn drop(&mut self) {
        if self.opened.elapsed() >= PATIENCE {
            self.note_late();
        }
    }
}
