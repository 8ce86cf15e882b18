//! How a fetch may end, and what that means for the set.

use std::time::Duration;

use super::advice::{Emptied, FlightId};
use super::{FIRST_BACKOFF, Held, KeyState, Phase};

const DEFAULT_LIFETIME: Duration = Duration::from_secs(10 * 60);
const MIN_LIFETIME: Duration = Duration::from_secs(60);
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
const REFRESH_AHEAD: f64 = 0.8;
const JITTER: f64 = 0.1;
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// A set without a usable key is believed when so many fetches in a row have brought one, over at least this time.
const EMPTY_FETCHES: u32 = 3;
const EMPTY_FOR: Duration = Duration::from_secs(60);
/// How soon it is asked for again meanwhile.
const EMPTY_RETRY: Duration = Duration::from_secs(30);

impl KeyState {
    /// Whether this is the fetch in flight.
    pub(crate) fn is_current(&self, id: FlightId) -> bool {
        self.flight.is_some_and(|flight| flight.id == id)
    }

    fn land(&mut self, id: FlightId) -> bool {
        self.flight.take_if(|flight| flight.id == id).is_some()
    }

    /// A fetch brought a set, or the news that the set has not changed. `false`: it is not the fetch in flight, and what
    /// it brought must not be used.
    pub(crate) fn fetched(&mut self, id: FlightId, max_age: Option<Duration>, jitter: f64, now: Duration) -> bool {
        if !self.land(id) {
            return false;
        }
        let lifetime = max_age.filter(|age| (MIN_LIFETIME..=MAX_LIFETIME).contains(age)).unwrap_or(DEFAULT_LIFETIME);
        let ahead = lifetime.mul_f64(REFRESH_AHEAD * spread(jitter));
        let expires_at = now.saturating_add(lifetime);
        self.held = Some(Held {
            flight: id,
            fetched_at: Some(now),
            refresh_at: now.saturating_add(ahead),
            expires_at,
            stale_until: expires_at.saturating_add(self.stale_for),
            proven_stale: false,
            noted_stale: false,
        });
        self.failures = 0;
        self.empty = None;
        self.retry_at = now;
        self.refused.clear();
        true
    }

    /// A fetch ended without an outcome, and not by a fault of the issuer: the next request may start another at once.
    pub(crate) fn lost(&mut self, id: FlightId) {
        if let Some(flight) = self.flight.take_if(|flight| flight.id == id)
            && let Some(budget) = flight.budget
        {
            self.forced = budget;
        }
    }

    /// A fetch brought a well-formed set without a usable key. The held set stays until that has been said often enough.
    /// `None`: it is not the fetch in flight.
    pub(crate) fn emptied(&mut self, id: FlightId, jitter: f64, now: Duration) -> Option<Emptied> {
        if !self.land(id) {
            return None;
        }
        let (times, since) = self.empty.map_or((1, now), |(times, since)| (times.saturating_add(1), since));
        self.empty = Some((times, since));
        let had_keys = self.phase(now).0 != Phase::Empty;
        let is_believed = times >= EMPTY_FETCHES && now.saturating_sub(since) >= EMPTY_FOR;
        if is_believed {
            self.held = None;
        }
        let (usual, waits) = (self.back_off(id, jitter, now), EMPTY_RETRY.mul_f64(spread(jitter)));
        let retry_in = if self.held.is_some() { waits } else { usual };
        self.retry_at = now.saturating_add(retry_in);
        Some(Emptied { gone: is_believed && had_keys, retry_in })
    }

    /// A fetch failed, or ended without an outcome. `None`: it is not the fetch in flight.
    pub(crate) fn failed(&mut self, id: FlightId, jitter: f64, now: Duration) -> Option<Duration> {
        self.land(id).then(|| self.back_off(id, jitter, now))
    }

    fn back_off(&mut self, id: FlightId, jitter: f64, now: Duration) -> Duration {
        let doubled = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(5)).min(MAX_BACKOFF);
        let pause = doubled.mul_f64(spread(jitter));
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now.saturating_add(pause);
        self.failed = id.0;
        if let Some(held) = &mut self.held {
            held.proven_stale |= now >= held.expires_at;
        }
        pause
    }
}

/// `0.9 ..= 1.1` for a jitter of `0.0 ..= 1.0`.
fn spread(jitter: f64) -> f64 {
    1.0 + JITTER * (2.0 * jitter.clamp(0.0, 1.0) - 1.0)
}
