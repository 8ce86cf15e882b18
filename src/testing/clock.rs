//! A clock whose hands are turned by the test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::lock::lock;
use crate::time::{Clock, Now};

/// A clock that moves only when a test moves it.
///
/// Clones share their hands. The two hands turn independently, as they do in a machine whose wall clock is stepped.
///
/// ```
/// use std::time::Duration;
/// use orgate::testing::TestClock;
/// use orgate::time::Clock;
///
/// let clock = TestClock::new(Duration::from_secs(1_800_000_000));
/// let before = clock.now();
/// clock.clone().advance(Duration::from_secs(60));
/// assert_eq!(clock.now().unix - before.unix, Duration::from_secs(60));
/// assert_eq!(clock.now().monotonic - before.monotonic, Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct TestClock {
    now: Arc<Mutex<Now>>,
    ahead: Duration,
    behind: Duration,
}

impl TestClock {
    /// Creates a clock whose wall time is `unix`, the duration since the Unix epoch. Its monotonic time starts at one
    /// hour, so that no code relies on a small value.
    #[must_use]
    pub fn new(unix: Duration) -> Self {
        let now = Arc::new(Mutex::new(Now::new(unix, Duration::from_secs(3600))));
        Self { now, ahead: Duration::ZERO, behind: Duration::ZERO }
    }

    /// Returns the clock of a machine that is ahead of this one: its wall time is `by` later, and both move together.
    /// For an issuer and an API whose clocks differ.
    #[must_use]
    pub fn ahead(&self, by: Duration) -> Self {
        Self { ahead: self.ahead.saturating_add(by), ..self.clone() }
    }

    /// Returns the clock of a machine that is behind this one: its wall time is `by` earlier, and both move together.
    #[must_use]
    pub fn behind(&self, by: Duration) -> Self {
        Self { behind: self.behind.saturating_add(by), ..self.clone() }
    }

    /// Advances both the wall time and the monotonic time.
    pub fn advance(&self, by: Duration) {
        let mut now = lock(&self.now);
        now.unix = now.unix.saturating_add(by);
        now.monotonic = now.monotonic.saturating_add(by);
    }

    /// Advances the wall time: tokens age, lifetimes and back-offs do not.
    pub fn advance_wall(&self, by: Duration) {
        let mut now = lock(&self.now);
        now.unix = now.unix.saturating_add(by);
    }

    /// Sets the wall time, also backwards, to `unix`, the duration since the Unix epoch.
    pub fn set_wall(&self, unix: Duration) {
        lock(&self.now).unix = unix.saturating_add(self.behind).saturating_sub(self.ahead);
    }

    /// Advances the monotonic time: lifetimes and back-offs pass, tokens do not age.
    pub fn advance_monotonic(&self, by: Duration) {
        let mut now = lock(&self.now);
        now.monotonic = now.monotonic.saturating_add(by);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Now {
        let now = *lock(&self.now);
        Now { unix: now.unix.saturating_add(self.ahead).saturating_sub(self.behind), ..now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hands_turn_independently() {
        let clock = TestClock::new(Duration::from_secs(1000));
        let start = clock.now();
        clock.advance_wall(Duration::from_secs(5));
        assert_eq!(clock.now(), Now::new(Duration::from_secs(1005), start.monotonic));
        clock.set_wall(Duration::from_secs(7));
        clock.advance_monotonic(Duration::from_secs(1));
        assert_eq!(clock.now(), Now::new(Duration::from_secs(7), start.monotonic + Duration::from_secs(1)));
    }

    #[test]
    fn clocks_that_disagree_turn_together() {
        let clock = TestClock::new(Duration::from_secs(1000));
        let (ahead, behind) = (clock.ahead(Duration::from_secs(60)), clock.behind(Duration::from_secs(60)));
        ahead.advance(Duration::from_secs(5));
        let unix = |clock: &TestClock| clock.now().unix.as_secs();
        assert_eq!([unix(&behind), unix(&clock), unix(&ahead)], [945, 1005, 1065]);
        assert_eq!(ahead.now().monotonic, clock.now().monotonic);
        behind.set_wall(Duration::from_secs(10));
        assert_eq!([unix(&behind), unix(&clock), unix(&ahead)], [10, 70, 130]);
        assert_eq!(unix(&ahead.behind(Duration::from_secs(60))), 70);
    }
}
