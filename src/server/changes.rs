//! What the application can see of changes.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ResourceServer;
use crate::change::RevocationCounts;
use crate::engine::ShadowCounts;
use crate::permissions::LiveCounts;

/// Where a server stands with its [change log](super::Builder::change_log).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStatus {
    /// Whether everything that the log held within its bound is known here.
    pub is_current: bool,
    /// Requests that came while it was not.
    pub behind: u64,
    /// Changes that were applied here and are not kept yet.
    pub pending: usize,
    /// Attempts to keep changes that failed.
    pub failures: u64,
    /// How long ago the log was last known to have been delivered whole; `None` before it was.
    pub lag: Option<Duration>,
}

impl ResourceServer {
    /// Returns how much the list of revocations holds.
    #[must_use]
    pub fn revocations(&self) -> RevocationCounts {
        self.state.changes.revocations()
    }

    /// Returns where the server stands with its [change log](super::Builder::change_log). `None` without one.
    #[must_use]
    pub fn change_log(&self) -> Option<LogStatus> {
        let (pending, failures) = self.state.changes.journal()?.status();
        let (is_current, behind) = self.state.changes.currency();
        Some(LogStatus { is_current, behind, pending, failures, lag: self.state.changes.lag() })
    }

    /// Waits until every change that was applied here is kept by the [change log](super::Builder::change_log): before a
    /// shutdown. There is no limit.
    pub fn changes_kept(&self) -> impl Future<Output = ()> + Send + use<> {
        let journal = self.state.changes.journal().cloned();
        async move {
            if let Some(journal) = journal {
                journal.flushed().await;
            }
        }
    }

    /// Returns what live permissions have cost so far, and where a route was let through without them.
    #[must_use]
    pub fn live_counts(&self) -> LiveCounts {
        let counts = &self.state.live.permissions.counts;
        LiveCounts {
            fetches: counts.fetches.load(Ordering::Relaxed),
            failures: counts.failures.load(Ordering::Relaxed),
            stale: counts.stale.load(Ordering::Relaxed),
            token_only: counts.token_only.load(Ordering::Relaxed),
        }
    }

    /// Returns how often policies that are judged and not enforced agreed with the decisions that were made:
    /// [`Policy::shadow`](crate::Policy::shadow).
    #[must_use]
    pub fn shadow_counts(&self) -> ShadowCounts {
        self.state.agreements.read()
    }
}
