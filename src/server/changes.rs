//! What the application can see of changes.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ResourceServer;
use crate::change::{Journal, RevocationCounts};
use crate::engine::ShadowCounts;
use crate::permissions::LiveCounts;

/// The state of a server's [change log](super::Builder::change_log).
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Why the latest attempt failed. `None` once one has succeeded.
    pub error: Option<Arc<str>>,
}

impl ResourceServer {
    /// Returns how much the list of revocations holds.
    #[must_use]
    pub fn revocations(&self) -> RevocationCounts {
        self.state.changes.revocations()
    }

    /// Returns the state of the [change log](super::Builder::change_log). `None` without one.
    #[must_use]
    pub fn change_log(&self) -> Option<LogStatus> {
        Some(self.status_of(self.state.changes.journal()?))
    }

    /// Returns the state of the [file](super::Builder::change_file) next to a shared change log. `None` without one; a
    /// file alone is the change log.
    #[must_use]
    pub fn change_file(&self) -> Option<LogStatus> {
        Some(self.status_of(self.state.changes.journal_beside()?))
    }

    fn status_of(&self, journal: &Journal) -> LogStatus {
        let (pending, failures, error) = journal.status();
        let (is_current, behind) = self.state.changes.currency();
        let error = error.map(|error| error.to_string().into());
        LogStatus { is_current, behind, pending, failures, lag: self.state.changes.lag(), error }
    }

    /// Waits until every change that was applied here so far is kept, as long as the
    /// [change log](crate::change::Log::delivery_wait) wants a webhook to wait. Returns whether it is: otherwise a handler of
    /// webhooks should answer 503.
    pub fn changes_delivered(&self) -> impl Future<Output = bool> + Send + use<> {
        let journal = self.state.changes.journal().cloned();
        async move {
            match journal {
                Some(journal) => journal.delivered().await,
                None => true,
            }
        }
    }

    /// Waits until every change that was applied here is kept by the [change log](super::Builder::change_log): before a
    /// shutdown. There is no limit.
    pub fn changes_kept(&self) -> impl Future<Output = ()> + Send + use<> {
        let changes = &self.state.changes;
        let journals: Vec<_> = changes.journal().into_iter().chain(changes.journal_beside()).cloned().collect();
        async move {
            for journal in journals {
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
