//! One who waits for the end of a lease, and holds it.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::ended::Ended;
use super::lease::Lease;

/// One who waits for the end of a lease, and holds it.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) lease: Arc<Lease>,
    number: Option<u32>,
}

impl Waiter {
    pub(super) const fn new(lease: Arc<Lease>) -> Self {
        Self { lease, number: None }
    }

    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<Ended> {
        self.lease.poll_ended(&mut self.number, context)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.lease.leave(self.number);
    }
}
