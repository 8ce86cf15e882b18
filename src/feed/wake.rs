//! What tells a connection that there is something to look at.

use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use crate::change::{About, Epoch};
use crate::lease::{Ended, Listener};
use crate::lock::lock;
use crate::permissions::{Snapshot, SourceError};
use crate::time::Clock;

/// Whatever comes while the client does not read is one reason to look, however much it is: nothing is queued.
pub(super) struct Wake {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since when there is something to look at, by the monotonic clock.
    due: Option<Duration>,
    /// Whether the right may be over.
    is_changed: bool,
    waker: Option<Waker>,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Due {
    /// Since when there is something to look at.
    pub(super) since: Option<Duration>,
    /// Whether the right may be over.
    pub(super) is_changed: bool,
}

impl Wake {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// There is something to look at.
    pub(super) fn look(&self) {
        let now = self.clock.now().monotonic;
        self.note(|state| _ = state.due.get_or_insert(now));
    }

    fn note(&self, note: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = lock(&self.state);
            note(&mut state);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What there is to do. Who asks is woken when there is something next.
    pub(super) fn due(&self, waker: &Waker) -> Due {
        let mut state = lock(&self.state);
        match &mut state.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Due { since: state.due, is_changed: state.is_changed }
    }

    /// Does it from now on: what comes later is another reason.
    pub(super) fn begin(&self, due: Due) {
        let mut state = lock(&self.state);
        if due.since.is_some() {
            state.due = None;
        }
        state.is_changed &= !due.is_changed;
    }
}

impl Listener for Wake {
    /// What its subject holds, if that may be another, is asked for now, and told next.
    fn changed(&self, _: &About, _: Epoch) {
        self.note(|state| state.is_changed = true);
    }

    fn asked(&self, _: &Result<Arc<Snapshot>, SourceError>) {
        self.look();
    }

    fn ended(&self, _: Ended) {
        self.look();
    }
}
