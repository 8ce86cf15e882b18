//! Waiting for a turn: so many calls at a time, and so many in ten seconds.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::budget::{Answer, Budget, PATIENCE, Place, Refusal};
use super::waits::Waits;
use crate::lock::lock;
use crate::permissions::SourceError;
use crate::time::Clock;

/// The limits of one source. No lock is held while somebody waits.
pub(super) struct Limits {
    budget: Mutex<Budget>,
    /// The calls of all replicas, and how many replicas there are.
    shared: Option<(usize, Replicas)>,
    changed: Notify,
    in_flight: Semaphore,
    clock: Arc<dyn Clock>,
    snapshots: AtomicU64,
    pub(super) waits: Waits,
}

/// Tells how many replicas share the calls.
pub(super) type Replicas = Arc<dyn Fn() -> usize + Send + Sync>;

/// How a call is paid for that reads what is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing is known without it.
    Missing,
    /// What is known may serve on: others come first.
    Refresh,
}

/// The calls that one snapshot may make. Those that it has not made when it is dropped are given back.
pub(super) struct Allowance {
    limits: Arc<Limits>,
    snapshot: u64,
    left: AtomicUsize,
    /// Of the snapshot as a whole, so that each wait has a place of its own.
    asked: Arc<AtomicU64>,
}

/// A call is in flight until this is dropped.
pub(super) type Turn<'a> = SemaphorePermit<'a>;

impl Limits {
    pub(super) fn new(in_flight: usize, in_window: usize, shared: Option<Replicas>, clock: Arc<dyn Clock>) -> Self {
        Self {
            budget: Mutex::new(Budget::new(in_window)),
            shared: shared.map(|replicas| (in_window, replicas)),
            changed: Notify::new(),
            in_flight: Semaphore::new(in_flight),
            clock,
            snapshots: AtomicU64::new(0),
            waits: Waits::default(),
        }
    }

    /// Lets a snapshot begin that will need about so many calls.
    pub(super) async fn admit(self: &Arc<Self>, calls: usize) -> Result<Allowance, SourceError> {
        let snapshot = self.snapshots.fetch_add(1, Ordering::Relaxed);
        self.wait_for(Place { snapshot, number: 0 }, calls).await?;
        Ok(Allowance { limits: self.clone(), snapshot, left: AtomicUsize::new(calls), asked: Arc::default() })
    }

    /// How many calls may begin now.
    pub(super) fn calls_left(&self) -> usize {
        self.budget().left(self.clock.now().monotonic)
    }

    /// How many calls may begin in a minute.
    pub(super) fn calls_a_minute(&self) -> usize {
        self.budget().calls_a_minute()
    }

    /// Lets one call of a long reading begin, if it can begin now and leaves a part of all calls to snapshots.
    pub(super) fn admit_aside(self: &Arc<Self>) -> Result<Allowance, SourceError> {
        let snapshot = self.snapshots.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now().monotonic;
        let mut budget = self.budget();
        let spare = budget.spare();
        if !budget.take(Place { snapshot, number: 0 }, spare, now) {
            return Err(error(budget.short_of(spare + 1, now)));
        }
        drop(budget);
        Ok(Allowance { limits: self.clone(), snapshot, left: AtomicUsize::new(1), asked: Arc::default() })
    }

    /// The tenant has had enough.
    pub(super) fn close_for(&self, time: Duration) {
        let now = self.clock.now().monotonic;
        self.budget().close(now + time);
        self.changed.notify_waiters();
    }

    /// How old what is shared may be for a look-up of so many calls, where they do not suffice to read it anew.
    pub(super) fn patience_for(&self, calls: usize) -> Duration {
        self.budget().patience_for(calls)
    }

    /// There are not calls enough to go on, and so many more are needed.
    pub(super) fn short_of(&self, calls: usize) -> SourceError {
        error(self.budget().short_of(calls, self.clock.now().monotonic))
    }

    async fn wait_for(&self, place: Place, calls: usize) -> Result<(), SourceError> {
        let _queued = Queued { limits: self, place };
        let granted = async {
            let mut waiting = None;
            loop {
                // From here on it hears of changes, polled or not.
                let changed = pin!(self.changed.notified());
                let answer = self.budget().ask(place, calls, self.clock.now().monotonic);
                match answer {
                    Answer::Granted => return Ok(()),
                    Answer::Refused(refusal) => return Err(error(refusal)),
                    Answer::Wait(time) => {
                        waiting.get_or_insert_with(|| self.waits.begin());
                        _ = timeout(time, changed).await;
                    }
                }
            }
        };
        timeout(PATIENCE, granted).await.unwrap_or_else(|_| Err(self.late()))
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        // Foreign code: it is asked before the lock.
        let shared = self.shared.as_ref().map(|(calls, replicas)| (*calls, replicas()));
        let mut budget = lock(&self.budget);
        if let Some((calls, replicas)) = shared {
            budget.share(calls, replicas);
        }
        budget
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
    SourceError::new(why).retry_after(wait).not_asked()
}

impl Allowance {
    /// Sets one of the calls aside that were foreseen, for a task that may outlive the snapshot.
    pub(super) fn foreseen(&self) -> Option<Arc<Self>> {
        self.take(1).then(|| self.of_one())
    }

    /// Sets one call aside for what is shared, if it can begin at once. One of those foreseen is left to what follows.
    pub(super) fn reserve(&self, need: Need) -> Option<Arc<Self>> {
        if self.take(2) {
            return Some(self.of_one());
        }
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut budget = self.limits.budget();
        let spare = if need == Need::Refresh { budget.spare() } else { 0 };
        let place = Place { snapshot: self.snapshot, number };
        let is_granted = budget.take(place, spare, self.limits.clock.now().monotonic);
        drop(budget);
        is_granted.then(|| self.of_one())
    }

    /// Takes one of the calls that are left, if there are as many as `least`.
    fn take(&self, least: usize) -> bool {
        let take = |left: usize| if left >= least { left.checked_sub(1) } else { None };
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    fn of_one(&self) -> Arc<Self> {
        let (limits, asked) = (self.limits.clone(), self.asked.clone());
        Arc::new(Self { limits, snapshot: self.snapshot, left: AtomicUsize::new(1), asked })
    }

    /// The turn for one call, which begins now. One that was not foreseen is asked for first.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, SourceError> {
        let limits = &*self.limits;
        if !self.take(1) {
            let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            limits.wait_for(Place { snapshot: self.snapshot, number }, 1).await?;
        }
        let unused = Unused(limits, 1);
        let turn = if let Ok(turn) = limits.in_flight.try_acquire() {
            turn
        } else {
            let _waiting = limits.waits.begin();
            let turn = timeout(PATIENCE, limits.in_flight.acquire()).await;
            turn.map_err(|_| limits.late())?.map_err(SourceError::new)?
        };
        limits.budget().begin(limits.clock.now().monotonic).map_err(error)?;
        unused.was_used();
        Ok(turn)
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        let left = *self.left.get_mut();
        drop(Unused(&self.limits, left));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Now;

    /// A clock that stands still.
    struct Still;

    impl Clock for Still {
        fn now(&self) -> Now {
            Now::new(Duration::from_secs(1_800_000_000), Duration::from_secs(3600))
        }
    }

    #[tokio::test]
    async fn who_leaves_the_queue_stands_in_nobodys_way() {
        let limits = Arc::new(Limits::new(16, 3, None, Arc::new(Still)));
        let held = limits.admit(2).await.unwrap();
        assert!(timeout(Duration::from_millis(10), limits.admit(3)).await.is_err());
        let small = timeout(Duration::from_millis(10), limits.admit(1)).await;
        assert!(small.is_ok_and(|allowance| allowance.is_ok()));
        drop(held);
        assert!(limits.admit(3).await.is_ok());
    }

    #[tokio::test]
    async fn calls_that_are_set_aside_are_counted_before_they_begin() {
        let limits = Arc::new(Limits::new(16, 6, None, Arc::new(Still)));
        let snapshot = limits.admit(3).await.unwrap();
        let reserved: Vec<_> = (0..10).map_while(|_| snapshot.reserve(Need::Missing)).collect();
        // Two of those foreseen, and the three that are neither begun nor granted.
        assert_eq!(reserved.len(), 5);
        assert!(snapshot.foreseen().is_some() && snapshot.foreseen().is_none());
        drop((snapshot, reserved));
        assert!(limits.admit(6).await.is_ok(), "what was not begun is given back");
    }

    #[tokio::test]
    async fn what_is_given_back_is_granted_at_once() {
        let limits = Arc::new(Limits::new(16, 3, None, Arc::new(Still)));
        let held = limits.admit(3).await.unwrap();
        let give_back = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(held);
        };
        let asked = async { timeout(Duration::from_millis(500), limits.admit(3)).await };
        let (granted, ()) = tokio::join!(asked, give_back);
        assert!(granted.is_ok_and(|allowance| allowance.is_ok()));
        // No call is given back: the error says so, after a bounded time.
        let _held = limits.admit(3).await.unwrap();
        let error = limits.admit(1).await.err().unwrap();
        assert!(error.wants_retry_after().is_some_and(|wait| wait >= Duration::from_secs(1)));
    }

    #[test]
    fn calls_are_shared_out_among_the_replicas_that_live() {
        let alive = Arc::new(AtomicUsize::new(1));
        let replicas = alive.clone();
        let limits =
            Arc::new(Limits::new(16, 40, Some(Arc::new(move || replicas.load(Ordering::Relaxed))), Arc::new(Still)));
        let mut left = Vec::new();
        for count in [1, 2, 4, 100, 0, 1] {
            alive.store(count, Ordering::Relaxed);
            left.push(limits.calls_left());
        }
        // Of 40 in ten seconds, 4 are the share of ten replicas: 10 in 25 seconds.
        assert_eq!(left, [40, 20, 10, 10, 40, 40]);
    }
}
