//! How many questions may be under way at one place, and in which order the others follow.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

use crate::lock::lock;

/// Slots for questions to one place, and a bounded queue. A subject has at most half of the slots and a quarter of the
/// queue; a free slot goes to whoever has the fewest, and of those to whoever came first.
pub(crate) struct Bulkhead {
    slots: usize,
    queue: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    /// Slots that each subject has.
    held: HashMap<Arc<str>, usize>,
    waiting: VecDeque<Waiter>,
    last: u64,
}

struct Waiter {
    id: u64,
    who: Option<Arc<str>>,
    wake: oneshot::Sender<()>,
}

/// The queue is full, or its subject's part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// A question that may be asked. It is over when this is dropped.
pub(crate) struct Slot {
    of: Arc<Bulkhead>,
    who: Option<Arc<str>>,
}

impl Bulkhead {
    pub(crate) fn new(slots: usize, queue: usize) -> Self {
        Self { slots: slots.max(1), queue, state: Mutex::default() }
    }

    /// How many slots are taken, and how many wait for one.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.lock();
        (state.taken, state.waiting.len())
    }

    /// Takes a slot, if one is free for this subject.
    pub(crate) fn try_enter(self: &Arc<Self>, who: Option<&Arc<str>>) -> Option<Slot> {
        let mut state = self.lock();
        let may_enter = state.taken < self.slots && self.has_share(&state, who);
        may_enter.then(|| {
            state.take(who);
            Slot { of: self.clone(), who: who.cloned() }
        })
    }

    /// Takes a slot, and waits for it where none is free. Whoever hangs up leaves the queue.
    ///
    /// # Errors
    ///
    /// Returns [`Full`] at once if as many wait as may.
    pub(crate) async fn enter(self: &Arc<Self>, who: Option<&Arc<str>>) -> Result<Slot, Full> {
        if let Some(slot) = self.try_enter(who) {
            return Ok(slot);
        }
        let mut place = self.line_up(who)?;
        // The sender goes only with the place.
        _ = (&mut place.woken).await;
        place.into_slot().ok_or(Full)
    }

    fn line_up(self: &Arc<Self>, who: Option<&Arc<str>>) -> Result<Place, Full> {
        let mut state = self.lock();
        let mine = state.waiting.iter().filter(|waiter| who.is_some() && waiter.who.as_ref() == who).count();
        if state.waiting.len() >= self.queue || mine >= self.queue.div_ceil(4) {
            return Err(Full);
        }
        let (wake, woken) = oneshot::channel();
        state.last += 1;
        let id = state.last;
        state.waiting.push_back(Waiter { id, who: who.cloned(), wake });
        // A slot may have become free meanwhile.
        self.fill(&mut state);
        Ok(Place { of: Some(self.clone()), who: who.cloned(), id, woken })
    }

    fn has_share(&self, state: &State, who: Option<&Arc<str>>) -> bool {
        who.is_none_or(|who| state.held_by(who) < self.slots.div_ceil(2))
    }

    /// Gives free slots to those who wait.
    fn fill(&self, state: &mut State) {
        while state.taken < self.slots {
            let next = state
                .waiting
                .iter()
                .enumerate()
                .filter(|(_, waiter)| self.has_share(state, waiter.who.as_ref()))
                .min_by_key(|(_, waiter)| waiter.who.as_ref().map_or(0, |who| state.held_by(who)))
                .map(|(at, _)| at);
            let Some(waiter) = next.and_then(|at| state.waiting.remove(at)) else { return };
            state.take(waiter.who.as_ref());
            // If it has just hung up, it gives the slot back itself.
            _ = waiter.wake.send(());
        }
    }

    fn give_back(&self, who: Option<&Arc<str>>) {
        let mut state = self.lock();
        state.taken = state.taken.saturating_sub(1);
        if let Some(who) = who
            && let Some(held) = state.held.get_mut(who)
        {
            *held = held.saturating_sub(1);
            if *held == 0 {
                state.held.remove(who);
            }
        }
        self.fill(&mut state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn held_by(&self, who: &Arc<str>) -> usize {
        self.held.get(who).copied().unwrap_or(0)
    }

    fn take(&mut self, who: Option<&Arc<str>>) {
        self.taken += 1;
        if let Some(who) = who {
            *self.held.entry(who.clone()).or_default() += 1;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.of.give_back(self.who.as_ref());
    }
}

/// A place in the queue.
struct Place {
    /// Gone once the place has become a slot.
    of: Option<Arc<Bulkhead>>,
    who: Option<Arc<str>>,
    id: u64,
    woken: oneshot::Receiver<()>,
}

impl Place {
    fn into_slot(mut self) -> Option<Slot> {
        let who = self.who.take();
        self.of.take().map(|of| Slot { of, who })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(of) = self.of.take() else { return };
        let mut state = of.lock();
        let at = state.waiting.iter().position(|waiter| waiter.id == self.id);
        if let Some(at) = at {
            state.waiting.remove(at);
            return;
        }
        drop(state);
        // It was given a slot, and did not come to use it.
        of.give_back(self.who.as_ref());
    }
}

#[cfg(test)]
mod tests;
