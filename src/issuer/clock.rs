//! At least how far an issuer's clock is ahead of ours.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{AGE, DATE};

use crate::lock::lock;
use crate::time::Now;

/// What was seen is kept by spans of this length, so many of them: an hour.
const SPAN: Duration = Duration::from_secs(300);
const SPANS: usize = 12;
/// Our wall clock was set if it moved against the monotonic one by more than this since the last sight.
const STEP: f64 = 1.0;

/// What tokens and responses show of an issuer's clock.
///
/// `iat` was written before the token arrived, and `Date` before the response did: each difference to our clock at the
/// arrival is a lower bound. What is delayed or cached on its way only makes it lower.
#[derive(Debug, Default)]
pub(crate) struct IssuerClock(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// The number of a span, and the highest bound seen in it.
    spans: [(u64, Option<f64>); SPANS],
    /// How far our wall clock was ahead of the monotonic one.
    wall: f64,
}

impl IssuerClock {
    /// A token with this `iat` has just been verified.
    pub(crate) fn see_token(&self, issued_at: f64, now: Now) {
        self.lock().see(issued_at - now.unix.as_secs_f64(), now);
    }

    /// The issuer has just responded. A cached response, or one from a clock that is far off, shows nothing.
    pub(crate) fn see_response(&self, headers: &HeaderMap, leeway: Duration, now: Now) {
        if headers.contains_key(AGE) {
            return;
        }
        let date =
            headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(|date| httpdate::parse_http_date(date).ok());
        let Some(date) = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok()) else { return };
        let lead = date.as_secs_f64() - now.unix.as_secs_f64();
        if lead.abs() <= leeway.as_secs_f64() {
            self.lock().see(lead, now);
        }
    }

    /// At least how far it is ahead, in seconds: what was seen within the last hour, and never less than −leeway.
    pub(crate) fn lead(&self, leeway: Duration, now: Now) -> f64 {
        self.lock().best(now).unwrap_or(f64::NEG_INFINITY).max(-leeway.as_secs_f64())
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        lock(&self.0)
    }
}

impl Seen {
    fn see(&mut self, lead: f64, now: Now) {
        if self.was_set(now) {
            *self = Self::default();
        }
        self.wall = ahead(now);
        let number = span(now);
        let slot = usize::try_from(number % SPANS as u64).ok().and_then(|index| self.spans.get_mut(index));
        if let Some((of, best)) = slot {
            *best = Some(best.filter(|_| *of == number).map_or(lead, |best| best.max(lead)));
            *of = number;
        }
    }

    fn best(&self, now: Now) -> Option<f64> {
        let oldest = (span(now) + 1).saturating_sub(SPANS as u64);
        let recent = self.spans.iter().filter(|(number, _)| *number >= oldest).filter_map(|(_, best)| *best);
        recent.reduce(f64::max).filter(|_| !self.was_set(now))
    }

    /// What was seen before our clock was set compares with nothing that it shows now.
    fn was_set(&self, now: Now) -> bool {
        (ahead(now) - self.wall).abs() > STEP
    }
}

fn ahead(now: Now) -> f64 {
    now.unix.as_secs_f64() - now.monotonic.as_secs_f64()
}

fn span(now: Now) -> u64 {
    now.monotonic.as_secs() / SPAN.as_secs()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const LEEWAY: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Now {
        Now::new(Duration::from_secs(1_800_000_000 + seconds), Duration::from_secs(3600 + seconds))
    }

    fn response(date: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(DATE, HeaderValue::from_static(date))])
    }

    #[test]
    fn without_a_sight_the_lead_is_the_leeway() {
        assert!((IssuerClock::default().lead(LEEWAY, at(0)) + 60.0).abs() < 1e-6);
    }

    #[test]
    fn highest_bound_of_the_last_hour_counts() {
        let clock = IssuerClock::default();
        clock.see_token(1_799_999_990.0, at(0));
        assert!((clock.lead(LEEWAY, at(0)) + 10.0).abs() < 1e-6);
        clock.see_token(1_800_000_599.0, at(600));
        clock.see_token(1_800_000_560.0, at(601));
        assert!((clock.lead(LEEWAY, at(3500)) + 1.0).abs() < 1e-6);
        assert!((clock.lead(LEEWAY, at(600 + 3600)) + 60.0).abs() < 1e-6);
        clock.see_token(1_800_003_590.0, at(3600));
        assert!((clock.lead(LEEWAY, at(600 + 3600)) + 10.0).abs() < 1e-6);
    }

    #[test]
    fn old_tokens_never_lower_the_bound_below_the_leeway() {
        let clock = IssuerClock::default();
        clock.see_token(1_799_990_000.0, at(0));
        assert!((clock.lead(LEEWAY, at(0)) + 60.0).abs() < 1e-6);
    }

    #[test]
    fn response_dates_count_within_the_leeway_and_without_age() {
        // 1 800 000 000 is Fri, 15 Jan 2027 08:00:00 GMT.
        for (date, expected) in [
            ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
            ("Fri, 15 Jan 2027 07:59:58 GMT", -2.0),
            ("Fri, 15 Jan 2027 08:01:01 GMT", -60.0),
            ("Fri, 15 Jan 2027 07:58:59 GMT", -60.0),
            ("tomorrow", -60.0),
        ] {
            let clock = IssuerClock::default();
            clock.see_response(&response(date), LEEWAY, at(0));
            assert!((clock.lead(LEEWAY, at(0)) - expected).abs() < 1e-6, "{date}");
        }
        let clock = IssuerClock::default();
        let mut cached = response("Fri, 15 Jan 2027 08:00:00 GMT");
        cached.insert(AGE, HeaderValue::from_static("0"));
        clock.see_response(&cached, LEEWAY, at(0));
        assert!((clock.lead(LEEWAY, at(0)) + 60.0).abs() < 1e-6);
    }

    #[test]
    fn a_step_of_our_clock_discards_what_was_seen() {
        let clock = IssuerClock::default();
        clock.see_token(1_800_000_000.0, at(0));
        let set = Now::new(at(30).unix, at(0).monotonic);
        assert!((clock.lead(LEEWAY, set) + 60.0).abs() < 1e-6);
        clock.see_token(1_800_000_025.0, set);
        assert!((clock.lead(LEEWAY, set) + 5.0).abs() < 1e-6);
    }
}
