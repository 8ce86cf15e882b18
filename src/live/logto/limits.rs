//! Waiting for a turn: so many calls at a time, and so many in ten seconds.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::budget::{Answer, Budget, PATIENCE, Place, Refusal};
use crate::live::source::SourceError;
use crate::time::Clock;

/// The limits of one source. No lock is held while somebody waits.
pub(super) struct Limits {
    budget: Mutex<Budget>,
    changed: Notify,
    in_flight: Semaphore,
    clock: Arc<dyn Clock>,
    snapshots: AtomicU64,
}

/// The calls that one snapshot may make. Those that it has not made when it is dropped are given back.
pub(super) struct Allowance<'a> {
    limits: &'a Limits,
    snapshot: u64,
    left: AtomicUsize,
    asked: AtomicU64,
}

/// A call is in flight until this is dropped.
pub(super) type Turn<'a> = SemaphorePermit<'a>;

impl Limits {
    pub(super) fn new(in_flight: usize, in_window: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            budget: Mutex::new(Budget::new(in_window)),
            changed: Notify::new(),
            in_flight: Semaphore::new(in_flight),
            clock,
            snapshots: AtomicU64::new(0),
        }
    }

    /// Lets a snapshot begin that will need about so many calls.
    pub(super) async fn admit(&self, calls: usize) -> Result<Allowance<'_>, SourceError> {
        let snapshot = self.snapshots.fetch_add(1, Ordering::Relaxed);
        self.wait_for(Place { snapshot, number: 0 }, calls).await?;
        Ok(Allowance { limits: self, snapshot, left: AtomicUsize::new(calls), asked: AtomicU64::new(0) })
    }

    /// The tenant has had enough.
    pub(super) fn close_for(&self, time: Duration) {
        let now = self.clock.now().monotonic;
        self.budget().close(now + time);
        self.changed.notify_waiters();
    }

    async fn wait_for(&self, place: Place, calls: usize) -> Result<(), SourceError> {
        let _queued = Queued { limits: self, place };
        let granted = async {
            loop {
                // From here on it hears of changes, polled or not.
                let changed = pin!(self.changed.notified());
                let answer = self.budget().ask(place, calls, self.clock.now().monotonic);
                match answer {
                    Answer::Granted => return Ok(()),
                    Answer::Refused(refusal) => return Err(error(refusal)),
                    Answer::Wait(time) => _ = timeout(time, changed).await,
                }
            }
        };
        timeout(PATIENCE, granted).await.unwrap_or_else(|_| Err(self.late()))
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn late(&self) -> SourceError {
        let room = self.budget().room_for(1, self.clock.now().monotonic);
        error(Refusal::Full(room.max(Duration::from_secs(1))))
    }
}

fn error(refusal: Refusal) -> SourceError {
    let (why, wait) = match refusal {
        Refusal::Full(wait) => ("the limit of calls to the Management API is reached", wait),
        Refusal::Closed(wait) => ("the tenant answered 429 a moment ago", wait),
    };
    SourceError::new(why).retry_after(wait)
}

impl<'a> Allowance<'a> {
    /// The turn for one call, which begins now. One that was not foreseen is asked for first.
    pub(super) async fn turn(&self) -> Result<Turn<'a>, SourceError> {
        let limits = self.limits;
        let take = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            limits.wait_for(Place { snapshot: self.snapshot, number }, 1).await?;
        }
        let unused = Unused(limits, 1);
        let turn = timeout(PATIENCE, limits.in_flight.acquire()).await;
        let turn = turn.map_err(|_| limits.late())?.map_err(SourceError::new)?;
        limits.budget().begin(limits.clock.now().monotonic).map_err(error)?;
        unused.was_used();
        Ok(turn)
    }
}

impl Drop for Allowance<'_> {
    fn drop(&mut self) {
        drop(Unused(self.limits, *self.left.get_mut()));
    }
}

/// Leaves the queue, if it still stands there.
struct Queued<'a> {
    limits: &'a Limits,
    place: Place,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.limits.budget().leave(self.place);
        self.limits.changed.notify_waiters();
    }
}

/// Calls that were granted; given back when it is dropped.
struct Unused<'a>(&'a Limits, usize);

impl Unused<'_> {
    fn was_used(mut self) {
        self.1 = 0;
    }
}

impl Drop for Unused<'_> {
    fn drop(&mut self) {
        if self.1 > 0 {
            self.0.budget().give_back(self.1);
            self.0.changed.notify_waiters();
        }
    }
}
