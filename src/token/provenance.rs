//! What a verification rests on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::signature::{Algorithm, VerifyingKey};
use crate::time::Now;

/// With what a token was verified: a key under a `kid`. The key is not kept alive: what is gone is gone.
pub(crate) struct Provenance {
    pub(crate) leeway: Duration,
    pub(crate) key: Weak<VerifyingKey>,
    pub(crate) kid: Option<Box<str>>,
    pub(crate) algorithm: Algorithm,
    pub(crate) settled: Settled,
}

impl Provenance {
    pub(crate) fn new(key: &Arc<VerifyingKey>, kid: Option<&str>, leeway: Duration) -> Self {
        Self {
            leeway,
            key: Arc::downgrade(key),
            kid: kid.map(Into::into),
            algorithm: key.algorithm(),
            settled: Settled::default(),
        }
    }
}

/// One issuer entry, and no other one that ever was or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IssuerId(u64);

impl IssuerId {
    pub(crate) fn unique() -> Self {
        Self(unique())
    }

    /// As a number, for what knows nothing of issuers.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The same for the same name, and far from all others.
    #[cfg(test)]
    pub(crate) fn for_tests(name: &str) -> Self {
        use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
        Self(BuildHasherDefault::<DefaultHasher>::default().hash_one(name) | 1 << 63)
    }
}

/// One issuer entry with the settings that it had at some time. An update makes another version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryVersion {
    pub(crate) issuer: IssuerId,
    version: u64,
}

impl EntryVersion {
    pub(crate) fn of(issuer: IssuerId) -> Self {
        Self { issuer, version: unique() }
    }
}

fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// That entry and key were there in a certain generation, and until when that says enough: whole seconds of the
/// monotonic clock. Both in one number, so that they belong together.
#[derive(Default)]
pub(crate) struct Settled(AtomicU64);

impl Settled {
    pub(crate) fn holds(&self, generation: u32, now: &Now) -> bool {
        let settled = self.0.load(Ordering::Relaxed);
        settled >> 32 == u64::from(generation) && now.monotonic.as_secs() < settled & u64::from(u32::MAX)
    }

    pub(crate) fn store(&self, generation: u32, until: Duration) {
        let until = u32::try_from(until.as_secs()).unwrap_or(u32::MAX);
        self.0.store(u64::from(generation) << 32 | u64::from(until), Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Provenance {
    /// Of nothing: it never stands.
    pub(crate) fn dangling() -> Self {
        Self {
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
