//! What waits to be asked or decided, so many at a time.

use std::collections::VecDeque;

pub(super) struct Queue<T> {
    pub(super) running: usize,
    pub(super) waiting: VecDeque<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { running: 0, waiting: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }
}

/// How far a lease is that is decided anew.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejudged {
    Waits,
    Runs,
    RunsAndWaits,
}
