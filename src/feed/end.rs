//! Why a connection ends.

use std::time::Duration;

use crate::lease::Ended;
use crate::rejection::Remediation;

/// Why a connection ends, and what the client can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) reason: &'static str,
    pub(super) remediation: Remediation,
    pub(super) retry_after: Option<Duration>,
}

impl End {
    /// It did not read what was due.
    pub(super) const fn slow_reader() -> Self {
        Self { reason: "slow_reader", remediation: Remediation::Retry, retry_after: None }
    }

    /// The right to see the feed is over.
    pub(super) const fn of_lease(ended: Ended) -> Self {
        Self { reason: ended.reason().as_str(), remediation: ended.remediation(), retry_after: ended.retry_after() }
    }
}
