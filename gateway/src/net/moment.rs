use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// When something happened last, to the millisecond. Many tasks may note it at once.
#[derive(Debug)]
pub(crate) struct Moment {
    began: Instant,
    /// Milliseconds since then.
    at: AtomicU64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { began: Instant::now(), at: AtomicU64::new(0) }
    }

    /// Notes that it happens now.
    pub(crate) fn note(&self) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.at.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Instant {
        self.began + Duration::from_millis(self.at.load(Ordering::Relaxed))
    }
}
