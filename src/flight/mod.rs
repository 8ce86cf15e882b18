//! Questions to other servers: one task for all who ask the same, and a bounded number of them at a time.
//!
//! A task belongs to none of its waiters. A waiter may leave at any time, and the runtime that drives the task may end:
//! then whoever still waits, or comes next, starts another one on its own runtime. [`End`] keeps the cases apart, so that
//! neither is counted as a failure of the other side.
//!
//! - [`Flight`] is for owners with a state machine of their own: it says when to start, and what an end means.
//! - [`SingleFlight`] is for all others: one task for each key, whose value every waiter receives.
//! - [`Bulkhead`] bounds how many questions are under way, with a fair share for each subject.

mod bulkhead;
#[cfg(test)]
mod interleavings;
mod lanes;
mod launch;
mod one;
mod single;

pub(crate) use bulkhead::{Bulkhead, Full};
pub(crate) use lanes::{Lane, Lanes, Tenant};
pub(crate) use launch::{End, NO_RUNTIME, caught, has_runtime};
pub(crate) use one::{Flight, Unfinished};
pub(crate) use single::{Panicked, SingleFlight};

#[cfg(test)]
mod tests;
