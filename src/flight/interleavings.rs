//! Threads that join, leave and end a flight, each with a runtime of its own, in every order of their steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::*;
use crate::interleave::{Thread, drive, every_order};
use crate::lock::step;

const LONG: Duration = Duration::from_secs(60);

#[derive(Default)]
struct World {
    flights: SingleFlight<&'static str, u32>,
    /// Tasks under way, and how many there were.
    counts: Arc<(AtomicUsize, AtomicUsize)>,
}

impl World {
    fn join(&self) -> impl Future<Output = Result<Result<u32, Panicked>, Unfinished>> + '_ {
        let work = || {
            let counts = self.counts.clone();
            async move {
                counts.1.fetch_add(1, Ordering::SeqCst);
                assert_eq!(counts.0.fetch_add(1, Ordering::SeqCst), 0, "two tasks for one key");
                step();
                counts.0.fetch_sub(1, Ordering::SeqCst);
                7
            }
        };
        self.flights.join("a", LONG, work)
    }
}

const JOINS: Thread<World> = |world| assert_eq!(drive(world.join()), Ok(Ok(7)));

/// Asks once and goes away, and its runtime ends with the task that it may have started.
const LEAVES: Thread<World> = |world| {
    drive(async {
        let waiting = Box::pin(world.join());
        step();
        _ = waiting.now_or_never();
    });
};

#[test]
fn whoever_joins_is_served_and_no_two_tasks_run_in_every_order() {
    for threads in [&[JOINS, JOINS][..], &[JOINS, LEAVES], &[JOINS, LEAVES, JOINS]] {
        let orders = every_order(2, World::default, threads, |world| {
            assert_eq!(world.flights.under_way(), 0);
            let started = world.counts.1.load(Ordering::SeqCst);
            assert!((1..=threads.len()).contains(&started), "{started} tasks");
        });
        assert!(orders > 5, "{orders}");
    }
}
