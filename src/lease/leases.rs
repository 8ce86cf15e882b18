//! The leases of one server.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use super::driver;
use super::ended::Ended;
use super::groups::{Groups, Wanted};
use super::table::{LeaseId, Table};
use super::topic::Topic;
use super::watch::Watch;
use super::wheel::Wheel;
use crate::flight::{Flight, has_runtime};
use crate::issuer::keys::Generation;
use crate::lock::lock;
use crate::permissions::LivePermissions;
use crate::time::{Clock, milliseconds};

/// How many leases there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseBounds {
    pub(crate) all: usize,
    pub(crate) each: usize,
}

/// The leases of one server. It looks after them in one task, for as long as there are any.
pub(crate) struct Leases {
    pub(super) book: Mutex<Book>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) permissions: Arc<LivePermissions>,
    pub(super) generation: Generation,
    bounds: LeaseBounds,
    flight: Flight,
    /// The number of the task that looks after them; zero for none.
    driver: AtomicU64,
    drivers: AtomicU64,
    /// Something is due before the next tick.
    pub(super) sooner: Notify,
}

/// Everything that is known, under one lock, where nothing is looked at and no one is told.
#[derive(Default)]
pub(super) struct Book {
    pub(super) table: Table,
    pub(super) groups: Groups,
    /// When tokens end, by the wall clock.
    pub(super) ends: Wheel<LeaseId>,
    /// Those that are being decided anew, or wait for it: another task begins with them.
    pub(super) rejudging: HashSet<LeaseId>,
    /// What else is due, by the monotonic clock.
    pub(super) tasks: Wheel<Task>,
    is_closed: bool,
}

/// What is due at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    Ask(u32),
    Look(LeaseId),
    Rejudge(LeaseId),
}

/// Where a lease belongs.
pub(super) struct Place {
    pub(super) topics: Vec<Topic>,
    /// What is bounded for each subject.
    pub(super) subject: Option<Topic>,
    /// When its token ends, in milliseconds since the Unix epoch.
    pub(super) ends_at: u64,
    pub(super) wanted: Vec<Wanted>,
}

/// Why there is no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Closed,
    Full,
    SubjectFull,
    /// The permission source is not asked often enough.
    Beyond,
}

impl Leases {
    pub(crate) fn new(
        bounds: LeaseBounds,
        clock: Arc<dyn Clock>,
        permissions: Arc<LivePermissions>,
        generation: Generation,
    ) -> Self {
        Self {
            book: Mutex::default(),
            clock,
            permissions,
            generation,
            bounds,
            flight: Flight::default(),
            driver: AtomicU64::new(0),
            drivers: AtomicU64::new(0),
            sooner: Notify::new(),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        lock(&self.book).table.len()
    }

    /// Ends all, and allows no more.
    pub(crate) fn close(&self) {
        let all = {
            let mut book = lock(&self.book);
            book.is_closed = true;
            book.table.all()
        };
        for (_, watch) in all {
            watch.end(Ended::closing());
        }
    }

    /// Returns the lease, and the bound that is kept for it.
    pub(super) fn add(
        self: &Arc<Self>,
        watch: Arc<dyn Watch>,
        mut place: Place,
    ) -> Result<(LeaseId, Option<Duration>), Refused> {
        let now = self.clock.now().monotonic;
        let mut book = lock(&self.book);
        if book.is_closed {
            return Err(Refused::Closed);
        }
        if book.table.len() >= self.bounds.all {
            return Err(Refused::Full);
        }
        if place.subject.as_ref().is_some_and(|subject| book.table.count(subject) >= self.bounds.each) {
            return Err(Refused::SubjectFull);
        }
        let bound = self.join(&mut book, &mut place, now)?;
        let id = book.table.insert(watch, &place.topics, place.ends_at);
        book.ends.add(place.ends_at, id);
        drop(book);
        if bound.is_some() {
            self.sooner.notify_one();
        }
        self.drive();
        Ok((id, bound))
    }

    /// Puts a lease elsewhere, since it has another token.
    pub(super) fn relink(&self, id: LeaseId, mut place: Place) -> Result<Option<Duration>, Refused> {
        let now = self.clock.now().monotonic;
        let mut book = lock(&self.book);
        let before: Vec<u32> = book.table.groups_of(id).collect();
        let ended_at = book.table.ends_at(id);
        let bound = self.join(&mut book, &mut place, now)?;
        if !book.table.relink(id, &place.topics, place.ends_at) {
            leave(&mut book, place.topics.iter().filter_map(Topic::group));
            return Ok(bound);
        }
        if let Some(at) = ended_at.filter(|at| *at != place.ends_at) {
            book.ends.remove(at, id);
        }
        book.ends.add(place.ends_at, id);
        leave(&mut book, before);
        drop(book);
        self.sooner.notify_one();
        Ok(bound)
    }

    pub(super) fn remove(&self, id: LeaseId) {
        let mut book = lock(&self.book);
        let groups: Vec<u32> = book.table.groups_of(id).collect();
        if let Some(at) = book.table.ends_at(id) {
            book.ends.remove(at, id);
        }
        let removed = book.table.remove(id);
        leave(&mut book, groups);
        book.tidy();
        drop(book);
        // It may be the last that holds the server: not under a lock of the server.
        drop(removed);
    }

    /// Has something done at a moment of the monotonic clock.
    pub(super) fn schedule(&self, at: Duration, task: Task) {
        lock(&self.book).schedule(milliseconds(at), task);
        self.sooner.notify_one();
    }

    fn join(&self, book: &mut Book, place: &mut Place, now: Duration) -> Result<Option<Duration>, Refused> {
        let mut bound = None;
        for wanted in &place.wanted {
            let began = self.permissions.began(&wanted.source, &wanted.query, now);
            let joined = book.groups.join(wanted, began, now);
            let Ok((number, kept, asked)) = joined else {
                leave(book, place.topics.iter().filter_map(Topic::group));
                return Err(Refused::Beyond);
            };
            if let Some(at) = asked {
                book.schedule(at, Task::Ask(number));
            }
            place.topics.push(Topic::Group(number));
            bound = bound.or(Some(kept));
        }
        Ok(bound)
    }

    /// Whether somebody looks after them, or can.
    pub(super) fn can_drive(&self) -> bool {
        self.driver.load(Ordering::Acquire) != 0 || has_runtime()
    }

    /// Has a task look after them, if there is none.
    pub(super) fn drive(self: &Arc<Self>) {
        if self.driver.load(Ordering::Acquire) != 0 || !has_runtime() {
            return;
        }
        let number = self.drivers.fetch_add(1, Ordering::Relaxed) + 1;
        if self.driver.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return;
        }
        driver::begin_anew(self);
        let (leases, landing) = (Arc::downgrade(self), Arc::downgrade(self));
        self.flight.start(driver::run(leases, number), move |_| {
            let Some(leases) = landing.upgrade() else { return };
            if leases.stop_driving(number) {
                // Its runtime has ended, or it panicked. Whoever waits for an end starts another.
                let all = lock(&leases.book).table.all();
                for (_, watch) in all {
                    watch.wake();
                }
            }
        });
    }

    /// Whether it was this task that looked after them.
    pub(super) fn stop_driving(&self, number: u64) -> bool {
        self.driver.compare_exchange(number, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Groups without a lease.
fn leave(book: &mut Book, groups: impl IntoIterator<Item = u32>) {
    for group in groups {
        if book.table.count(&Topic::Group(group)) == 0 {
            book.groups.remove(group);
        }
    }
}

impl Book {
    pub(super) fn schedule(&mut self, at: u64, task: Task) {
        self.tasks.add(at, task);
        self.tidy();
    }

    fn tidy(&mut self) {
        let Self { table, groups, tasks, .. } = self;
        tasks.tidy(table.len() + groups.len(), |at, task| match task {
            Task::Ask(group) => groups.get(group).is_some_and(|group| group.next == at),
            Task::Look(id) | Task::Rejudge(id) => table.ends_at(id).is_some(),
        });
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").field("count", &self.count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
