//! The one place where a clock is read.
//!
//! Two readings, because they answer different questions: *wall time* judges the claims of a token, *monotonic time*
//! measures life times, back-offs and budgets. A server whose wall clock is fixed or stepped keeps its timers.

use std::time::{Duration, Instant, SystemTime};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Now {
    /// Wall time, as the duration since the Unix epoch. Claims (`exp`, `nbf`, `iat`) are judged by it.
    pub unix: Duration,
    /// Time that only moves forward, since an arbitrary origin. Life times, back-offs and budgets are judged by it.
    pub monotonic: Duration,
}

impl Now {
    /// A reading made of its two parts, for implementors of [`Clock`].
    #[must_use]
    pub const fn new(unix: Duration, monotonic: Duration) -> Self {
        Self { unix, monotonic }
    }
}

/// Where the time comes from. One method; tests turn the hands themselves.
///
/// ```
/// use std::time::Duration;
/// use orgate::time::{Clock, Now};
///
/// /// Claims are judged as of one instant; timers run on.
/// struct Frozen(Duration, orgate::time::SystemClock);
///
/// impl Clock for Frozen {
///     fn now(&self) -> Now {
///         Now::new(self.0, self.1.now().monotonic)
///     }
/// }
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Both readings, taken together. Called once or twice for each request: it must be cheap and must not block.
    fn now(&self) -> Now;
}

/// The operating system's clocks, the default.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading starts at zero now.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place where a clock is read")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where a clock is read")]
    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { unix, monotonic: self.origin.elapsed() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_reads_both_hands() {
        let clock = SystemClock::new();
        let first = clock.now();
        let second = clock.now();
        assert!(first.unix > Duration::from_secs(1_700_000_000));
        assert!(second.monotonic >= first.monotonic);
    }
}
