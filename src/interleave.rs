//! Runs short threads in every order of their steps, up to a number of preemptions, and repeats whatever order fails.
//!
//! A step ends at a lock and at a [`step`](crate::lock::step); between two of them one thread runs alone. Most races need two
//! preemptions at most, and with so few every order can be tried.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;

thread_local! {
    static PLACE: RefCell<Option<(Arc<Run>, usize)>> = const { RefCell::new(None) };
}

/// One thread of a scenario.
pub(crate) type Thread<S> = fn(&S);

/// Runs `threads` on a new `world` in every order with so many preemptions, and `check` after each. Returns how many orders
/// there were.
///
/// # Panics
///
/// Panics if a thread or a check panics, or if all threads wait for each other; with the order.
pub(crate) fn every_order<S: Sync>(
    preemptions: usize,
    world: impl Fn() -> S,
    threads: &[Thread<S>],
    check: impl Fn(&S),
) -> usize {
    let (mut plan, mut orders) = (Vec::new(), 0);
    loop {
        let world = world();
        let run = Arc::new(Run::new(threads.len(), plan, preemptions));
        std::thread::scope(|scope| {
            for (at, thread) in threads.iter().enumerate() {
                let (run, world) = (run.clone(), &world);
                scope.spawn(move || run.drive(at, || thread(world)));
            }
        });
        let mut state = run.lock();
        orders += 1;
        let taken: Vec<usize> = state.choices.iter().map(|choice| choice.taken).collect();
        let failed = state.panic.take().or_else(|| catch_unwind(AssertUnwindSafe(|| check(&world))).err());
        if let Some(panic) = failed {
            eprintln!("order {orders}: {taken:?}");
            resume_unwind(panic);
        }
        // The next order differs in the last choice that had another option.
        let Some(at) = state.choices.iter().rposition(|choice| choice.taken + 1 < choice.options) else {
            return orders;
        };
        plan = taken[..at].to_vec();
        plan.push(taken[at] + 1);
    }
}

/// Lets another thread go on, if this one is part of a scenario.
pub(crate) fn step() {
    let place = PLACE.with(|place| place.borrow().clone());
    if let Some((run, at)) = place {
        run.pass_on(at, Status::Ready);
    }
}

/// Drives a future to its end in a runtime of its own. While it waits for another thread, that one goes on.
///
/// # Panics
///
/// Panics if no runtime can be made.
pub(crate) fn drive<F: Future>(future: F) -> F::Output {
    /// More than any task needs that waits for nothing else.
    const TURNS: usize = 32;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut future = Box::pin(future);
    runtime.block_on(async {
        let place = PLACE.with(|place| place.borrow().clone());
        loop {
            let before = place.as_ref().map(|(run, _)| run.lock().switches);
            for _ in 0..TURNS {
                if let Some(output) = future.as_mut().now_or_never() {
                    return output;
                }
                tokio::task::yield_now().await;
            }
            match &place {
                // Another thread went on meanwhile: what it did may be on its way.
                Some((run, _)) if Some(run.lock().switches) != before => {}
                Some((run, at)) => run.pass_on(*at, Status::Blocked),
                None => std::thread::yield_now(),
            }
        }
    })
}

/// Takes a lock by trying, with a step before it, if this thread is part of a scenario.
pub(crate) fn take<G>(attempt: impl Fn() -> Option<G>) -> Option<G> {
    let (run, at) = PLACE.with(|place| place.borrow().clone())?;
    run.pass_on(at, Status::Ready);
    loop {
        if let Some(guard) = attempt() {
            return Some(guard);
        }
        run.pass_on(at, Status::Blocked);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Ready,
    /// A lock is held by another thread. Until that goes on there is nothing to do.
    Blocked,
    Done,
}

struct Choice {
    taken: usize,
    options: usize,
}

struct Run {
    state: Mutex<State>,
    turn: Condvar,
}

struct State {
    turn: usize,
    /// The threads that have not begun.
    missing: usize,
    threads: Vec<Status>,
    plan: Vec<usize>,
    choices: Vec<Choice>,
    preemptions: usize,
    /// How often another thread had its turn.
    switches: usize,
    is_stuck: bool,
    panic: Option<Box<dyn Any + Send>>,
}

impl Run {
    fn new(threads: usize, plan: Vec<usize>, preemptions: usize) -> Self {
        let state = State {
            turn: usize::MAX,
            missing: threads,
            threads: vec![Status::Ready; threads],
            plan,
            choices: Vec::new(),
            preemptions,
            switches: 0,
            is_stuck: false,
            panic: None,
        };
        Self { state: Mutex::new(state), turn: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drive(self: &Arc<Self>, at: usize, thread: impl FnOnce()) {
        let mut state = self.lock();
        state.missing -= 1;
        if state.missing == 0 {
            state.choose(None);
            self.turn.notify_all();
        }
        drop(self.wait(state, at));
        PLACE.set(Some((self.clone(), at)));
        let outcome = catch_unwind(AssertUnwindSafe(thread));
        PLACE.set(None);
        let mut state = self.lock();
        if let Err(panic) = outcome {
            state.panic.get_or_insert(panic);
        }
        state.stop(at, Status::Done);
        self.turn.notify_all();
    }

    fn pass_on(&self, at: usize, status: Status) {
        // A guard that is dropped by a panic takes no step.
        if std::thread::panicking() {
            return;
        }
        let mut state = self.lock();
        state.stop(at, status);
        self.turn.notify_all();
        let state = self.wait(state, at);
        let is_stuck = state.is_stuck;
        drop(state);
        assert!(!is_stuck, "all threads wait for each other");
    }

    fn wait<'s>(&'s self, state: MutexGuard<'s, State>, at: usize) -> MutexGuard<'s, State> {
        let waits = |state: &mut State| state.turn != at && !state.is_stuck;
        self.turn.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn stop(&mut self, at: usize, status: Status) {
        if status != Status::Blocked {
            // It went on: what it held may be free.
            for other in self.threads.iter_mut().filter(|other| **other == Status::Blocked) {
                *other = Status::Ready;
            }
        }
        self.threads[at] = status;
        self.choose(Some(at));
    }

    /// Whose turn it is. The thread that ran goes on, unless the plan says otherwise.
    fn choose(&mut self, ran: Option<usize>) {
        let goes_on = ran.filter(|at| self.threads[*at] == Status::Ready);
        let others = (0..self.threads.len()).filter(|at| self.threads[*at] == Status::Ready && Some(*at) != goes_on);
        let mut options: Vec<usize> = goes_on.into_iter().chain(others).collect();
        if goes_on.is_some() && self.preemptions == 0 {
            options.truncate(1);
        }
        if options.is_empty() {
            self.is_stuck = self.threads.contains(&Status::Blocked);
            return;
        }
        let planned = self.plan.get(self.choices.len()).copied().unwrap_or(0);
        let taken = planned.min(options.len() - 1);
        self.choices.push(Choice { taken, options: options.len() });
        self.preemptions -= usize::from(goes_on.is_some() && taken > 0);
        self.switches += usize::from(self.turn != options[taken]);
        self.turn = options[taken];
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::lock::{lock, step};

    #[derive(Default)]
    struct Counter {
        plain: AtomicUsize,
        locked: Mutex<usize>,
        other: Mutex<()>,
    }

    fn add_in_two_steps(world: &Counter) {
        let read = world.plain.load(Ordering::SeqCst);
        step();
        world.plain.store(read + 1, Ordering::SeqCst);
    }

    #[test]
    fn lost_update_is_found_with_one_preemption_and_not_with_none() {
        let threads: [Thread<Counter>; 2] = [add_in_two_steps, add_in_two_steps];
        let check = |world: &Counter| assert_eq!(world.plain.load(Ordering::SeqCst), 2);
        assert_eq!(every_order(0, Counter::default, &threads, check), 2);
        assert!(catch_unwind(|| every_order(1, Counter::default, &threads, check)).is_err());
    }

    #[test]
    fn lock_is_held_across_steps() {
        let add: Thread<Counter> = |world| {
            let mut held = lock(&world.locked);
            let read = *held;
            step();
            *held = read + 1;
        };
        let orders = every_order(2, Counter::default, &[add, add, add], |world| assert_eq!(*lock(&world.locked), 3));
        assert!(orders > 6, "{orders}");
    }

    #[test]
    fn deadlock_is_found() {
        let one: Thread<Counter> = |world| {
            let _held = lock(&world.locked);
            drop(lock(&world.other));
        };
        let other: Thread<Counter> = |world| {
            let _held = lock(&world.other);
            drop(lock(&world.locked));
        };
        assert!(catch_unwind(|| every_order(1, Counter::default, &[one, other], |_| ())).is_err());
    }
}
