//! The order in which questions and changes happened in this process.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::lock::step;

/// A place in the order of questions and changes. No clock decides which of two came first.
///
/// A question takes its epoch when its source is asked. Its answer serves only if that is greater than the epoch of the last
/// change of what it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Epoch(u64);

/// One counter for the whole process: a decision point may serve several servers.
static LATEST: AtomicU64 = AtomicU64::new(0);

impl Epoch {
    /// Before everything.
    pub(crate) const ZERO: Self = Self(0);
    /// After everything.
    pub(crate) const LAST: Self = Self(u64::MAX);

    /// A new place, after every other one.
    pub(crate) fn next() -> Self {
        step();
        Self(LATEST.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// The latest place: what is taken from now on is greater.
    pub(crate) fn latest() -> Self {
        step();
        Self(LATEST.load(Ordering::SeqCst))
    }

    #[cfg(test)]
    pub(crate) const fn numbered(number: u64) -> Self {
        Self(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_later_is_greater() {
        let arrival = Epoch::latest();
        let began = Epoch::next();
        assert!(Epoch::ZERO < began && arrival < began);
        assert!(began <= Epoch::latest() && began < Epoch::next());
    }
}
