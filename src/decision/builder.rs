//! The settings of a decision point with a memory.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use super::DecisionPoint;
use super::asking::Asking;
use super::cache::{CacheTimes, DecisionCache, LONGEST};
use super::decider::{Decider, Inner};
use crate::change::InvalidationsByName;
use crate::error::ConfigError;
use crate::time::{Clock, SystemClock};

const DEFAULT_ENTRIES: u64 = 10_000;
const MAX_ENTRIES: u64 = 1_000_000;

impl Decider {
    /// Returns the settings, to change before [`DeciderBuilder::build`].
    pub fn builder(point: impl DecisionPoint) -> DeciderBuilder {
        DeciderBuilder {
            point: Box::new(point),
            times: CacheTimes::default(),
            max_entries: DEFAULT_ENTRIES,
            clock: Arc::new(SystemClock::new()),
        }
    }
}

/// The settings of a [`Decider`].
///
/// ```
/// use orgate::decision::{Decider, DecisionPoint};
///
/// fn decider(point: impl DecisionPoint) -> Result<Decider, orgate::ConfigError> {
///     Decider::builder(point).max_entries(50_000).build()
/// }
/// ```
#[must_use]
pub struct DeciderBuilder {
    point: Box<dyn DecisionPoint>,
    times: CacheTimes,
    max_entries: u64,
    clock: Arc<dyn Clock>,
}

impl DeciderBuilder {
    /// Sets how long decisions are cached. Default: ten seconds for an allow, five for a denial; five minutes at most.
    pub const fn remember(mut self, times: CacheTimes) -> Self {
        self.times = times;
        self
    }

    /// Limits how many decisions are cached. Default: 10,000; a million at most. A request of more than 4 KiB is not
    /// cached.
    pub const fn max_entries(mut self, most: u64) -> Self {
        self.max_entries = most;
        self
    }

    /// Sets the source of time. Default: the system's clocks.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings. Does no I/O.
    ///
    /// # Errors
    ///
    /// Returns the invalid setting with its value.
    pub fn build(self) -> Result<Decider, ConfigError> {
        if self.times.allow.max(self.times.deny) > LONGEST {
            return Err(ConfigError::new(format_args!("remember {:?}: more than {LONGEST:?}", self.times)));
        }
        if self.max_entries > MAX_ENTRIES {
            return Err(ConfigError::new(format_args!("max_entries {}: more than {MAX_ENTRIES}", self.max_entries)));
        }
        let (cache, marks) = (DecisionCache::new(self.max_entries), InvalidationsByName::default());
        Ok(Decider(Arc::new(Inner {
            point: self.point,
            times: self.times,
            clock: self.clock,
            cache,
            marks,
            asking: Asking::default(),
            allowed_on_error: AtomicU64::new(0),
            meter: OnceLock::new(),
        })))
    }
}

impl fmt::Debug for DeciderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeciderBuilder").field("times", &self.times).finish_non_exhaustive()
    }
}
