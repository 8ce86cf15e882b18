//! What an unknown `kid` may cost.

use std::time::Duration;

const FORCED_BUDGET: u32 = 3;
const FORCED_REFILL: Duration = Duration::from_secs(30);
pub(super) const FORCED_SPACING: Duration = Duration::from_secs(5);

/// Forced fetches: three, one more every 30 s, and 5 s between the starts of two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    left: u32,
    counted_from: Duration,
    last_start: Option<Duration>,
}

impl Budget {
    pub(super) const fn full() -> Self {
        Self { left: FORCED_BUDGET, counted_from: Duration::ZERO, last_start: None }
    }

    pub(super) fn take(&mut self, now: Duration) -> bool {
        while self.left < FORCED_BUDGET && now >= self.counted_from.saturating_add(FORCED_REFILL) {
            self.left += 1;
            self.counted_from = self.counted_from.saturating_add(FORCED_REFILL);
        }
        if self.left == FORCED_BUDGET {
            self.counted_from = now;
        }
        if self.left == 0 || self.last_start.is_some_and(|last| now < last.saturating_add(FORCED_SPACING)) {
            return false;
        }
        self.left -= 1;
        self.last_start = Some(now);
        true
    }

    /// How long until the next fetch may start, as far as this budget goes.
    pub(super) fn rest(&self, now: Duration) -> Duration {
        let spaced = self.last_start.map_or(Duration::ZERO, |last| last.saturating_add(FORCED_SPACING));
        let refilled = if self.left == 0 { self.counted_from.saturating_add(FORCED_REFILL) } else { Duration::ZERO };
        spaced.max(refilled).saturating_sub(now)
    }
}
