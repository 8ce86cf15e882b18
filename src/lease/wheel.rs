//! What is due when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// As many entries may be stale beside those that count.
const SLACK: usize = 64;

/// Moments and what is due then. What is no longer due is dropped when its moment comes, or when there is too much of it.
#[derive(Debug)]
pub(super) struct Wheel<T>(BinaryHeap<Reverse<(u64, T)>>);

impl<T: Ord + Copy> Default for Wheel<T> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<T: Ord + Copy> Wheel<T> {
    pub(super) fn add(&mut self, at: u64, what: T) {
        self.0.push(Reverse((at, what)));
    }

    /// One that is due by now.
    pub(super) fn pop(&mut self, now: u64) -> Option<(u64, T)> {
        let Reverse((at, _)) = self.0.peek()?;
        if *at > now {
            return None;
        }
        self.0.pop().map(|Reverse(due)| due)
    }

    /// Drops what no longer counts, if that is most of it.
    pub(super) fn tidy(&mut self, counting: usize, mut counts: impl FnMut(u64, T) -> bool) {
        if self.0.len() > 2 * counting + SLACK {
            self.0.retain(|Reverse((at, what))| counts(*at, *what));
            self.0.shrink_to(2 * counting + SLACK);
        }
    }
}
