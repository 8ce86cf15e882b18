//! Decisions that were made a moment ago.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::key::RequestKey;
use super::{Decision, DecisionRequest};
use crate::bounded::Bounded;
use crate::change::Epoch;
use crate::rejection::StepUp;

/// The longest that a decision may be remembered.
pub(super) const LONGEST: Duration = Duration::from_secs(300);
/// A request that takes more is not remembered, so that the number of entries bounds the memory.
const MAX_KEY_BYTES: usize = 4 * 1024;

/// How long decisions are cached. Zero turns the cache off.
///
/// ```
/// use std::time::Duration;
/// use orgate::decision::CacheTimes;
///
/// // Grants may last for 30 s, and a denial is asked for again after one second.
/// let times = CacheTimes::new(Duration::from_secs(30), Duration::from_secs(1));
/// assert_ne!(times, CacheTimes::NONE);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct CacheTimes {
    pub(super) allow: Duration,
    pub(super) deny: Duration,
}

impl CacheTimes {
    /// Caches no decision, and uses no cached one.
    pub const NONE: Self = Self { allow: Duration::ZERO, deny: Duration::ZERO };

    /// Creates the two durations, five minutes at most.
    pub const fn new(allow: Duration, deny: Duration) -> Self {
        Self { allow, deny }
    }

    /// The longest that a decision may be remembered.
    pub(crate) const LONGEST: Duration = LONGEST;

    pub(crate) const fn allow(self) -> Duration {
        self.allow
    }

    pub(crate) const fn deny(self) -> Duration {
        self.deny
    }

    /// The shorter of each.
    pub(crate) fn shorter(self, other: Self) -> Self {
        Self { allow: self.allow.min(other.allow), deny: self.deny.min(other.deny) }
    }

    /// Whether nothing is remembered longer than in `other`.
    pub(super) fn is_within(self, other: Self) -> bool {
        self.allow <= other.allow && self.deny <= other.deny
    }

    pub(super) const fn is_none(self) -> bool {
        self.allow.is_zero() && self.deny.is_zero()
    }

    pub(super) const fn of(self, allow: bool) -> Duration {
        if allow { self.allow } else { self.deny }
    }
}

impl fmt::Display for CacheTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "allow {:?} and deny {:?}", self.allow, self.deny)
    }
}

impl Default for CacheTimes {
    /// Ten seconds for an allow, five for a denial.
    fn default() -> Self {
        Self::new(Duration::from_secs(10), Duration::from_secs(5))
    }
}

/// One decision, and when the call for it began: nothing that changed since then is in it.
pub(super) struct Entry {
    allow: bool,
    reason: Option<Box<str>>,
    step_up: Option<StepUp>,
    begun_at: Duration,
    pub(super) begun: Epoch,
}

/// A decision, and when the call for it began.
pub(crate) struct Dated {
    pub(crate) decision: Decision,
    pub(super) begun: Epoch,
}

pub(super) struct DecisionCache(Bounded<RequestKey, Entry>);

impl DecisionCache {
    pub(super) fn new(max_entries: u64) -> Self {
        // Its own expiry frees memory; what counts is the time in the entry.
        Self(Bounded::new(Cache::builder().max_capacity(max_entries).time_to_live(LONGEST)))
    }

    /// The key under which a request may be remembered.
    pub(super) fn key(request: &DecisionRequest, times: CacheTimes) -> Option<RequestKey> {
        if times.is_none() {
            return None;
        }
        Some(request.key()).filter(|key| key.bytes() <= MAX_KEY_BYTES)
    }

    /// A decision that is young enough for `times`, if `counts` says that nothing was forgotten since.
    pub(super) fn get(
        &self,
        key: &RequestKey,
        times: CacheTimes,
        now: Duration,
        counts: impl FnOnce(Epoch) -> bool,
    ) -> Option<Dated> {
        let entry = self.0.get(key)?;
        let age = now.checked_sub(entry.begun_at)?;
        if age >= times.of(entry.allow) || !counts(entry.begun) {
            return None;
        }
        let decision = if entry.allow { Decision::allow() } else { Decision::deny() };
        let decision = match &entry.reason {
            Some(reason) => decision.with_reason(reason),
            None => decision,
        };
        let decision = match &entry.step_up {
            Some(step_up) => decision.with_step_up(step_up.clone()),
            None => decision,
        };
        Some(Dated { decision, begun: entry.begun })
    }

    /// Remembers a decision whose call began at `begun_at`, unless it is for one request only.
    pub(super) fn store(
        &self,
        key: RequestKey,
        decision: &Decision,
        times: CacheTimes,
        begun_at: Duration,
        begun: Epoch,
    ) {
        let allow = decision.is_allowed();
        if decision.is_reusable() && !times.of(allow).is_zero() {
            let reason = decision.reason().map(Into::into);
            let step_up = decision.step_up().cloned();
            self.0.insert(key, Arc::new(Entry { allow, reason, step_up, begun_at, begun }));
        }
    }

    pub(super) fn clear(&self) {
        self.0.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> u64 {
        self.0.settled().entry_count()
    }
}
