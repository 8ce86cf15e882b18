//! Appends to a log what was applied here: in the background, in order, and again until it is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::change::Change;
use super::driver::Driver;
use super::log::{Log, LogError};
use super::writing;
use crate::issuer::keys::jitter;
use crate::lock::lock;

/// Changes that wait to be kept. Beyond that they are collected from what is known once the log answers again.
const MOST_PENDING: usize = 10_000;
const BATCH: usize = 256;
/// An attempt that takes longer failed.
const LIMIT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Attempts that are made once the server is gone.
const LAST_ATTEMPTS: u32 = 5;

/// Knows everything that a log should hold, for what found no room in the queue.
pub(super) trait Known: Send + Sync {
    fn everything(&self) -> Vec<Change>;
}

/// What waits to be kept by a log.
pub(crate) struct Journal {
    log: Arc<dyn Log>,
    pub(super) driver: Arc<Driver>,
    queue: Mutex<Queue>,
    /// How many changes wait.
    pending: watch::Sender<usize>,
    /// How many of all that were pushed are kept, at least.
    kept: watch::Sender<u64>,
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<Change>,
    /// Some found no room.
    is_incomplete: bool,
    /// What was collected anew has room beside the usual.
    collected: usize,
    is_writing: bool,
    failures: u64,
    /// Why the latest attempt failed; `None` once one has succeeded.
    error: Option<LogError>,
    /// How many were pushed so far.
    pushed: u64,
}

impl Journal {
    pub(super) fn new(log: Arc<dyn Log>, driver: Arc<Driver>) -> Self {
        Self { log, driver, queue: Mutex::default(), pending: watch::Sender::new(0), kept: watch::Sender::new(0) }
    }

    /// Queues changes, and sees to it that they are appended, whether the caller has a tokio runtime or not.
    pub(super) fn push(self: &Arc<Self>, changes: Vec<Change>, server: Weak<dyn Known>) {
        let mut queue = self.lock();
        queue.pushed = queue.pushed.saturating_add(changes.len() as u64);
        if queue.pending.len() + changes.len() > MOST_PENDING + queue.collected {
            queue.pending.clear();
            queue.is_incomplete = true;
        } else {
            queue.pending.extend(changes);
        }
        self.pending.send_replace(queue.waiting());
        let is_written = std::mem::replace(&mut queue.is_writing, true);
        drop(queue);
        if !is_written {
            writing::start(self, server);
        }
    }

    /// How many changes wait, how many attempts to append some failed so far, and why the latest did.
    pub(crate) fn status(&self) -> (usize, u64, Option<LogError>) {
        let queue = self.lock();
        (queue.waiting(), queue.failures, queue.error.clone())
    }

    /// Waits until what was pushed so far is kept: as long as the log wants a delivery to wait. Whether it is.
    pub(crate) async fn delivered(&self) -> bool {
        let Some(limit) = self.log.delivery_wait() else { return true };
        let pushed = self.lock().pushed;
        let mut kept = self.kept.subscribe();
        let is_kept = async move { kept.wait_for(|kept| *kept >= pushed).await.is_ok() };
        self.driver.within(limit, is_kept).await.unwrap_or(false)
    }

    /// Waits until nothing waits to be kept.
    pub(crate) async fn flushed(&self) {
        // The sender lives as long as this.
        _ = self.pending.subscribe().wait_for(|pending| *pending == 0).await;
    }

    /// Appends what waits. Under the lock it says that it is done: from then on, another writer may be at work.
    pub(super) async fn write(&self, server: &Weak<dyn Known>) {
        let mut failed = 0_u32;
        while let Some(batch) = self.batch(server, failed) {
            match self.append(&batch).await {
                Ok(()) => {
                    failed = 0;
                    let mut queue = self.lock();
                    queue.error = None;
                    // Unless they were dropped meanwhile, to be collected anew.
                    if !queue.is_incomplete {
                        let kept = batch.len().min(queue.pending.len());
                        queue.pending.drain(..kept);
                        queue.collected = queue.collected.saturating_sub(kept);
                        // What was collected anew stands before what was pushed later: so many are kept at least.
                        let kept = queue.pushed.saturating_sub(queue.pending.len() as u64);
                        self.kept.send_modify(|known| *known = kept.max(*known));
                    }
                    self.pending.send_replace(queue.waiting());
                }
                Err(error) => {
                    failed = failed.saturating_add(1);
                    let waiting = {
                        let mut queue = self.lock();
                        queue.failures += 1;
                        queue.error = Some(error.clone());
                        queue.waiting()
                    };
                    if server.strong_count() == 0 && failed >= LAST_ATTEMPTS {
                        tracing::error!(target: "orgate", %error, changes = waiting, "changes were not kept: the server was dropped");
                        self.lock().is_writing = false;
                        return;
                    }
                    tracing::warn!(target: "orgate", %error, changes = waiting, "changes are not kept yet");
                    let pause = FIRST_PAUSE.saturating_mul(1 << failed.min(10)).min(LONGEST_PAUSE);
                    tokio::time::sleep(pause.mul_f64(0.5 + jitter() / 2.0)).await;
                }
            }
        }
    }

    /// A writer ended before it was done.
    pub(super) fn stop_writing(&self) {
        self.lock().is_writing = false;
    }

    /// In a task of its own: what panics there has failed.
    async fn append(&self, batch: &Arc<[Change]>) -> Result<(), LogError> {
        let (log, batch) = (self.log.clone(), batch.clone());
        let mut appending = tokio::spawn(async move { log.append(&batch).await });
        match tokio::time::timeout(LIMIT, &mut appending).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(LogError::new("the log panicked or was cancelled")),
            Err(_) => {
                appending.abort();
                Err(LogError::new(format!("no answer within {} s", LIMIT.as_secs())))
            }
        }
    }

    /// What is to be appended next; `None` if nothing is: then this writer is done.
    fn batch(&self, server: &Weak<dyn Known>, failed: u32) -> Option<Arc<[Change]>> {
        let is_incomplete = self.lock().is_incomplete;
        if is_incomplete {
            {
                let mut queue = self.lock();
                queue.pending.clear();
                queue.collected = 0;
                queue.is_incomplete = false;
            }
            let Some(all) = server.upgrade().map(|server| server.everything()) else {
                tracing::error!(target: "orgate", "changes were not kept: there were too many, and the server was dropped");
                return self.next_batch(failed);
            };
            let mut queue = self.lock();
            // What was applied meanwhile comes after what was collected, and may be in it.
            let later = std::mem::take(&mut queue.pending);
            queue.collected = all.len();
            queue.pending = all.into_iter().chain(later).collect();
            self.pending.send_replace(queue.waiting());
        }
        self.next_batch(failed)
    }

    /// A log that fails may have passed on what it was given, without being sure of it: the next attempt takes more.
    fn next_batch(&self, failed: u32) -> Option<Arc<[Change]>> {
        let mut queue = self.lock();
        let most = BATCH << failed.min(6);
        let batch: Arc<[Change]> = queue.pending.iter().take(most).cloned().collect();
        queue.is_writing = !batch.is_empty();
        queue.is_writing.then_some(batch)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

impl Queue {
    fn waiting(&self) -> usize {
        self.pending.len() + usize::from(self.is_incomplete)
    }
}
