//! What a log of decisions did not write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counts of the records that one or several logs did not write. A cheap clone.
///
/// A program that replaces its log has one number for both: what the one before cannot write any more still counts.
///
/// ```
/// use orgate::observe::{JsonLines, LogCounts};
///
/// let counts = LogCounts::default();
/// let before = JsonLines::builder().counts(&counts).writer(std::io::sink());
/// let after = JsonLines::builder().counts(&counts).writer(std::io::sink());
/// # drop((before, after));
/// assert_eq!((counts.dropped(), counts.failed()), (0, 0));
/// ```
#[derive(Clone, Debug, Default)]
pub struct LogCounts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl LogCounts {
    /// Returns how many records were dropped because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Returns how many records could not be written.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }

    pub(super) fn drop_one(&self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fail_one(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }
}
