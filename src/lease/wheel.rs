//! What is due when.

use std::collections::BTreeSet;

/// As many entries may be stale beside those that count.
const SLACK: usize = 64;

/// Moments and what is due then, each once. What is no longer due is dropped when its moment comes, or when there is too much
/// of it.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    due: BTreeSet<(u64, T)>,
    /// How often it was to be tidied since all of it was looked through.
    calls: usize,
}

impl<T: Ord + Copy> Default for Wheel<T> {
    fn default() -> Self {
        Self { due: BTreeSet::new(), calls: 0 }
    }
}

impl<T: Ord + Copy> Wheel<T> {
    pub(super) fn add(&mut self, at: u64, what: T) {
        self.due.insert((at, what));
    }

    pub(super) fn remove(&mut self, at: u64, what: T) {
        self.due.remove(&(at, what));
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    /// One that is due by now.
    pub(super) fn pop(&mut self, now: u64) -> Option<(u64, T)> {
        if self.due.first()?.0 > now {
            return None;
        }
        self.due.pop_first()
    }

    /// Drops what no longer counts, if that is most of it. Called with every entry that is added, it costs as much as a few of
    /// them on average, also where all of them count.
    pub(super) fn tidy(&mut self, counting: usize, mut counts: impl FnMut(u64, T) -> bool) {
        self.calls += 1;
        let len = self.len();
        if len > 2 * counting + SLACK && 2 * self.calls >= len {
            self.due.retain(|(at, what)| counts(*at, *what));
            self.calls = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_due_once_at_a_moment_and_in_the_order_of_moments() {
        let mut wheel = Wheel::default();
        for (at, what) in [(7, 'b'), (3, 'a'), (7, 'b'), (9, 'b'), (8, 'c')] {
            wheel.add(at, what);
        }
        wheel.remove(9, 'b');
        wheel.remove(9, 'c');
        assert_eq!((wheel.len(), wheel.pop(2)), (3, None));
        let due: Vec<_> = std::iter::from_fn(|| wheel.pop(7)).collect();
        assert_eq!((due, wheel.len()), (vec![(3, 'a'), (7, 'b')], 1));
    }

    #[test]
    fn stale_entries_are_dropped_and_those_that_count_are_not_looked_through_each_time() {
        let mut wheel = Wheel::default();
        for at in 0..10_000 {
            wheel.add(at, ());
            wheel.tidy(10, |at, ()| at % 1000 == 0);
            assert!(wheel.len() <= 2 * 10 + SLACK + 1, "{at}: {}", wheel.len());
        }
        let mut looks = 0;
        for at in 0..10_000 {
            wheel.add(at, ());
            wheel.tidy(1, |_, ()| {
                looks += 1;
                true
            });
        }
        assert!(looks < 10 * 10_000, "{looks}");
        assert_eq!(wheel.len(), 10_000);
    }
}
