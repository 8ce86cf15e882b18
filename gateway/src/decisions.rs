//! The log of decisions, which a reload can replace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use orgate::engine::{Observer, Record};
use orgate::observe::JsonLines;

/// Writes to the log that the configuration names now.
#[derive(Clone, Default)]
pub(crate) struct Decisions(Arc<Inner>);

#[derive(Default)]
struct Inner {
    log: ArcSwapOption<JsonLines>,
    /// Of the logs before.
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl Decisions {
    /// Writes to another log from now on. What waits for the one before is still written.
    pub(crate) fn replace(&self, log: Option<JsonLines>) {
        if let Some(before) = self.0.log.swap(log.map(Arc::new)) {
            self.0.dropped.fetch_add(before.dropped(), Ordering::Relaxed);
            self.0.failed.fetch_add(before.failed(), Ordering::Relaxed);
        }
    }

    /// Returns how many records were dropped since the queue was full.
    pub(crate) fn dropped(&self) -> u64 {
        let now = self.0.log.load().as_ref().map_or(0, |log| log.dropped());
        self.0.dropped.load(Ordering::Relaxed).saturating_add(now)
    }

    /// Returns how many records could not be written.
    pub(crate) fn failed(&self) -> u64 {
        let now = self.0.log.load().as_ref().map_or(0, |log| log.failed());
        self.0.failed.load(Ordering::Relaxed).saturating_add(now)
    }
}

impl Observer for Decisions {
    fn decided(&self, record: &Record<'_>) {
        if let Some(log) = &*self.0.log.load() {
            log.decided(record);
        }
    }
}
