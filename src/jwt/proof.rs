//! What a verified token rests on, and whether that is still there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::entries::{Entries, Entry};
use super::times;
use super::verify::Unverified;
use crate::keys::{Changes, Lookup};
use crate::rejection::Rejection;
use crate::signature::{Algorithm, VerifyingKey};
use crate::time::Now;
use crate::token::AccessToken;

/// With what a token was verified: an issuer entry, and a key under a `kid`. It keeps neither alive: what is gone is gone.
pub(crate) struct Proof {
    entry: Weak<Entry>,
    leeway: Duration,
    key: Weak<VerifyingKey>,
    kid: Option<Box<str>>,
    algorithm: Algorithm,
    settled: Settled,
}

impl Proof {
    pub(super) fn new(entry: &Arc<Entry>, key: &Arc<VerifyingKey>, kid: Option<&str>) -> Self {
        Self {
            entry: Arc::downgrade(entry),
            leeway: entry.rules.leeway,
            key: Arc::downgrade(key),
            kid: kid.map(Into::into),
            algorithm: key.algorithm(),
            settled: Settled::default(),
        }
    }

    /// Whether its token would be verified again, and the same way: by the same entry, with the same key, in its time. If
    /// not, there is no telling but by verifying it anew.
    ///
    /// # Errors
    ///
    /// When the token's time is over, or has not come, or the key must be fetched first.
    pub(super) fn stands(
        &self,
        token: &AccessToken,
        entries: &ArcSwap<Entries>,
        changes: &Changes,
        now: &Now,
    ) -> Result<bool, Unverified> {
        let (kid, times) = (self.kid.as_deref(), token.times());
        let about = |rejection: Rejection| rejection.about(token.subject().issuer(), kid);
        let changes = changes.count();
        if self.settled.holds(changes, now) {
            times::judge(times, self.leeway, *now).map_err(about)?;
            return Ok(true);
        }
        let entries = entries.load();
        let Some((_, entry)) = entries.trusted(token.issuer()) else { return Ok(false) };
        if Weak::as_ptr(&self.entry) != Arc::as_ptr(entry) {
            return Ok(false);
        }
        // Before the key, as with a new token: what has expired is not worth a fetch.
        times::judge_end(times, self.leeway, *now).map_err(about)?;
        match entry.keys.holds_until(&self.key, kid, self.algorithm, now.monotonic) {
            Some(until) => self.settled.store(changes, until),
            // Asked as if it were new, so that a hit drives the refresh ahead as well, and waits where it must.
            None => match entry.keys.lookup(kid, self.algorithm, now.monotonic) {
                Lookup::Key(key) if Weak::as_ptr(&self.key) == Arc::as_ptr(&key) => {}
                // Asked twice, it would take this for another request.
                Lookup::Wait(arrival) => return Err(Unverified::needs_key(entry, kid, self.algorithm, arrival)),
                Lookup::Key(_) | Lookup::Refused(_) => return Ok(false),
            },
        }
        times::judge_begin(times, self.leeway, *now).map_err(about)?;
        Ok(true)
    }
}

/// That entry and key were there at a certain count of changes, and until when that says enough: whole seconds of the
/// monotonic clock. Both in one number, so that they belong together.
#[derive(Default)]
struct Settled(AtomicU64);

impl Settled {
    fn holds(&self, changes: u32, now: &Now) -> bool {
        let settled = self.0.load(Ordering::Relaxed);
        settled >> 32 == u64::from(changes) && now.monotonic.as_secs() < settled & u64::from(u32::MAX)
    }

    fn store(&self, changes: u32, until: Duration) {
        let until = u32::try_from(until.as_secs()).unwrap_or(u32::MAX);
        self.0.store(u64::from(changes) << 32 | u64::from(until), Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Proof {
    /// Of nothing: it never stands.
    pub(crate) fn dangling() -> Self {
        Self {
            entry: Weak::new(),
            leeway: Duration::ZERO,
            key: Weak::new(),
            kid: None,
            algorithm: Algorithm::Es384,
            settled: Settled::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Now {
        Now::new(Duration::ZERO, Duration::from_secs_f64(seconds))
    }

    #[test]
    fn settled_until_something_changes_or_the_time_is_over() {
        let settled = Settled::default();
        assert!(!settled.holds(0, &at(0.0)), "not looked into yet");
        settled.store(7, Duration::from_secs_f64(480.7));
        assert!(settled.holds(7, &at(479.9)));
        assert!(!settled.holds(7, &at(480.0)), "rounded down");
        assert!(!settled.holds(6, &at(1.0)) && !settled.holds(8, &at(1.0)));
        settled.store(u32::MAX, Duration::MAX);
        assert!(settled.holds(u32::MAX, &at(4e9)) && !settled.holds(u32::MAX, &at(5e9)));
        assert!(!settled.holds(0, &at(1.0)));
    }
}
