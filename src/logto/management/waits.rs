//! Whether limits of this process held up what was asked of a tenant.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The waits for a turn at one tenant, and for calls whose answers came too early to be used.
///
/// They are counted for the tenant and not for each look-up, since a look-up also waits for calls that another one began.
#[derive(Default)]
pub(super) struct Waits {
    begun: AtomicU64,
    under_way: AtomicUsize,
}

/// A wait that lasts until this is dropped.
pub(super) struct Waiting<'a>(&'a Waits);

/// The beginning of a look-up.
pub(super) struct Mark {
    begun: u64,
    is_held_up: bool,
}

impl Waits {
    pub(super) fn begin(&self) -> Waiting<'_> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        self.note();
        Waiting(self)
    }

    /// One that is over.
    pub(super) fn note(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn mark(&self) -> Mark {
        let begun = self.begun.load(Ordering::SeqCst);
        Mark { begun, is_held_up: self.under_way.load(Ordering::SeqCst) > 0 }
    }

    /// Whether there was one at that moment or later.
    pub(super) fn any_since(&self, mark: &Mark) -> bool {
        mark.is_held_up || self.begun.load(Ordering::SeqCst) != mark.begun
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waits_that_touch_a_look_up_count_for_it() {
        let waits = Waits::default();
        drop(waits.begin());
        let quiet = waits.mark();
        assert!(!waits.any_since(&quiet), "over before it began");
        let waiting = waits.begin();
        let during = waits.mark();
        drop(waiting);
        assert!(waits.any_since(&quiet) && waits.any_since(&during));
        let later = waits.mark();
        assert!(!waits.any_since(&later));
        waits.note();
        assert!(waits.any_since(&later));
    }
}
