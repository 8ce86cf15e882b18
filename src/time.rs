//! The clock of a server. Nothing else in the crate reads one.
//!
//! Two readings, because they answer different questions: *wall time* judges the claims of a token, *monotonic time*
//! measures lifetimes, back-offs and budgets. A server whose wall clock is fixed or stepped keeps its timers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// One reading of both clocks.
///
/// ```
/// use std::time::Duration;
/// use orgate::time::Now;
///
/// let now = Now::new(Duration::from_secs(1_800_000_000), Duration::from_secs(60));
/// assert_eq!(now.unix.as_secs(), 1_800_000_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Now {
    /// Wall time, as the duration since the Unix epoch. Claims (`exp`, `nbf`, `iat`) are judged by it.
    pub unix: Duration,
    /// Time that only moves forward, since an arbitrary origin. Life times, back-offs and budgets are judged by it.
    pub monotonic: Duration,
}

impl Now {
    /// Creates a reading from its two parts, for implementors of [`Clock`].
    #[must_use]
    pub const fn new(unix: Duration, monotonic: Duration) -> Self {
        Self { unix, monotonic }
    }
}

/// A source of time. It has one method, so that tests can set the time.
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
    /// Returns both readings, taken together. It is called once or twice for each request, so it must be cheap and must
    /// not block.
    fn now(&self) -> Now;
}

/// The operating system's clocks, the default.
///
/// To read two clocks for each request would be a tenth of what a known token costs. So the wall clock is read ten times a
/// second at most, and moved on by the monotonic one in between: a step of it, or that the machine slept, is noticed a tenth
/// of a second later.
///
/// ```
/// use orgate::time::{Clock, SystemClock};
///
/// let clock = SystemClock::new();
/// assert!(clock.now().unix.as_secs() > 1_700_000_000);
/// ```
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
    wall: Wall,
}

impl SystemClock {
    /// Creates a clock whose monotonic reading starts at zero.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place where a clock is read")]
    pub fn new() -> Self {
        Self { origin: Instant::now(), wall: Wall::default() }
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
        let monotonic = self.origin.elapsed();
        let read = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { unix: self.wall.at(monotonic, read), monotonic }
    }
}

/// Wall time as it was last read: how far it is ahead of the monotonic clock, and until when on that one this is believed.
/// Both in nanoseconds, of which a `u64` holds 584 years.
#[derive(Debug, Default)]
struct Wall {
    ahead: AtomicU64,
    believed_until: AtomicU64,
    /// Held while the two are written, so that they belong together. No request waits for it.
    writing: Mutex<()>,
}

/// Whole milliseconds, of which a `u64` holds 584 million years.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Nanoseconds, of which a `u64` holds 584 years.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const BELIEVED_FOR: Duration = Duration::from_millis(100);

impl Wall {
    fn at(&self, monotonic: Duration, read: impl FnOnce() -> Duration) -> Duration {
        // `ahead` is stored first, so it is there for whoever reads the other.
        if nanoseconds(monotonic) < self.believed_until.load(Ordering::Acquire) {
            return monotonic + Duration::from_nanos(self.ahead.load(Ordering::Relaxed));
        }
        let unix = read();
        if let Ok(_writing) = self.writing.try_lock() {
            self.ahead.store(nanoseconds(unix.saturating_sub(monotonic)), Ordering::Relaxed);
            self.believed_until.store(nanoseconds(monotonic + BELIEVED_FOR), Ordering::Release);
        }
        unix
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
        assert!(second.unix >= first.unix);
        assert!(second.monotonic >= first.monotonic);
    }

    #[test]
    fn wall_time_is_counted_on_and_read_again() {
        const YEARS: Duration = Duration::from_secs(1_800_000_000);
        let milliseconds = Duration::from_millis;
        let wall = Wall::default();
        let unread = || -> Duration { unreachable!("it is believed") };
        assert_eq!(wall.at(milliseconds(0), || YEARS), YEARS);
        assert_eq!(wall.at(milliseconds(40), unread), YEARS + milliseconds(40));
        assert_eq!(wall.at(milliseconds(99), unread), YEARS + milliseconds(99));
        // Somebody has set the clock back, then ahead.
        assert_eq!(wall.at(milliseconds(100), || YEARS / 2), YEARS / 2);
        assert_eq!(wall.at(milliseconds(150), unread), YEARS / 2 + milliseconds(50));
        assert_eq!(wall.at(milliseconds(500), || YEARS * 2), YEARS * 2);
        assert_eq!(wall.at(milliseconds(599), unread), YEARS * 2 + milliseconds(99));
        // A wall clock that says 1970.
        assert_eq!(wall.at(milliseconds(700), Duration::default), Duration::ZERO);
        assert_eq!(wall.at(milliseconds(750), unread), milliseconds(750));
    }
}
