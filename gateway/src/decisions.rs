//! The log of decisions, which a reload can replace.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use orgate::engine::{Observer, Record};
use orgate::observe::{JsonLines, LogCounts};

/// Writes to the log that the configuration names now.
#[derive(Clone, Default)]
pub(crate) struct Decisions(Arc<Inner>);

#[derive(Default)]
struct Inner {
    log: ArcSwapOption<JsonLines>,
    /// Of all logs: one that was replaced may still fail to write what waited for it.
    counts: LogCounts,
}

impl Decisions {
    /// Writes to another log from now on, which has the same [counts](Self::counts). What waits for the one before is still
    /// written.
    pub(crate) fn replace(&self, log: Option<JsonLines>) {
        self.0.log.store(log.map(Arc::new));
    }

    /// Returns what was not written since the queue was full, or could not be written.
    pub(crate) fn counts(&self) -> &LogCounts {
        &self.0.counts
    }
}

impl Observer for Decisions {
    fn decided(&self, record: &Record<'_>) {
        if let Some(log) = &*self.0.log.load() {
            log.decided(record);
        }
    }
}
