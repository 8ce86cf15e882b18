//! Points in time, as tokens state them.

use std::time::{Duration, SystemTime};

/// When a token ends, when it was issued, and when it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) expires_at: NumericDate,
    pub(crate) not_before: Option<NumericDate>,
    pub(crate) issued_at: Option<NumericDate>,
}

/// A JSON number of seconds since the epoch, perhaps with a fraction (RFC 7519 section 2).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct NumericDate(f64);

impl NumericDate {
    /// `None` for what is no point in time.
    pub(crate) fn new(seconds: f64) -> Option<Self> {
        seconds.is_finite().then_some(Self(seconds))
    }

    /// Without the fraction; `None` for what is no date of ours.
    pub(crate) fn whole_seconds(self) -> Option<i64> {
        let whole = Duration::try_from_secs_f64(self.0).ok()?.as_secs();
        i64::try_from(whole).ok()
    }

    pub(crate) const fn seconds(self) -> f64 {
        self.0
    }

    /// Clamped to what a `SystemTime` can hold on every platform: the years 1970 to about 9999.
    pub(super) fn to_system_time(self) -> SystemTime {
        const YEAR_10000: f64 = 253_402_300_800.0;
        SystemTime::UNIX_EPOCH + Duration::from_secs_f64(self.0.clamp(0.0, YEAR_10000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_times_are_clamped() {
        for seconds in [-1.0, 0.0, 1e300, f64::MAX, 1_800_000_000.5] {
            let _ = NumericDate::new(seconds).unwrap().to_system_time();
        }
        assert!(NumericDate::new(f64::INFINITY).is_none());
    }
}
