//! One task at a time, started by the state machine of its owner.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::launch::{End, has_runtime, launch};
use crate::lock::lock;

/// The task of one owner, and those who wait for it. The owner's state machine decides when a task starts.
#[derive(Default)]
pub(crate) struct Flight {
    /// Told after every landing.
    landed: watch::Sender<()>,
    task: Mutex<Option<AbortHandle>>,
}

/// Why waiting brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    NoRuntime,
    Late,
}

impl Flight {
    /// Runs `work` in a task of its own and calls `land` exactly once with its end; then whoever waits asks again. `land`
    /// must not be called under a lock that the caller of this holds: where there is no runtime, it is called at once.
    ///
    /// A task that is still out is given up.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        land: impl FnOnce(End<T>) + Send + 'static,
    ) {
        let landed = self.landed.clone();
        // Locked before the task is there: it may land, and the next one start, before this one's handle is kept.
        let mut task = lock(&self.task);
        let started = launch(work, move |end| {
            land(end);
            landed.send_replace(());
        });
        let before = std::mem::replace(&mut *task, started);
        drop(task);
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Asks `step` now and after each landing until it has an outcome, for so long at most.
    pub(crate) async fn wait<T>(&self, most: Duration, mut step: impl FnMut() -> Option<T>) -> Result<T, Unfinished> {
        if !has_runtime() {
            return Err(Unfinished::NoRuntime);
        }
        let mut landed = self.landed.subscribe();
        let waiting = async {
            loop {
                landed.mark_unchanged();
                if let Some(outcome) = step() {
                    return Ok(outcome);
                }
                if landed.changed().await.is_err() {
                    return Err(Unfinished::Late);
                }
            }
        };
        tokio::time::timeout(most, waiting).await.unwrap_or(Err(Unfinished::Late))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}
