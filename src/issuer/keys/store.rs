//! The key set of one issuer entry, as verification sees it: a lock-free look-up, and a wait where there must be one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::compromised::Compromised;
use super::discovery::{Document, Origin};
use super::refresh::{Fetching, RefreshSettings, Shared};
use super::select::{Selection, Sought};
use super::state::{Advice, Arrival, KeyState, MAX_WAIT, Need};
use crate::flight::{End, has_runtime};
use crate::lock::lock;
use crate::signature::{Algorithm, VerifyingKey};
use crate::time::Clock;

/// The keys of one issuer entry.
#[derive(Clone)]
pub(crate) struct KeyStore(pub(super) Arc<Shared>);

/// What a store answers at once.
pub(crate) enum Lookup {
    Key(Arc<VerifyingKey>),
    /// Something is being fetched: ask [`KeyStore::resolve`].
    Wait(Arrival),
    Refused(KeyRefusal),
}

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyRefusal {
    /// The set has no key that fits the token's header.
    NoneFits,
    /// The set was fetched to make sure, and does not have the key.
    NotInSet,
    /// The key is unknown and could not be looked up now; try again after this time.
    Unresolved(Duration),
    /// There are no keys to decide by; try again after this time.
    Unavailable(Duration),
}

impl KeyStore {
    /// A store that fetches its set, on first use. The seed serves until then, if a fetch was tried and failed.
    pub(crate) fn fetching(
        origin: Origin,
        life: &RefreshSettings,
        clock: Arc<dyn Clock>,
        seed: Option<Document>,
    ) -> Self {
        Self(Arc::new(Shared::fetching(origin, life, clock, seed)))
    }

    /// A store whose set is given, once and for all, without keys that are compromised. `None` if no other key is in it.
    pub(crate) fn fixed(document: Document, compromised: &Compromised, clock: Arc<dyn Clock>) -> Option<Self> {
        let had_keys = !document.set.is_empty();
        let set = document.set.without(|key| compromised.holds(key));
        let has_keys = !set.is_empty();
        (has_keys || !had_keys).then(|| Self(Arc::new(Shared::fixed(Document { set, ..document }, clock))))
    }

    /// Whether the set is the issuer's, and not given.
    pub(crate) fn is_fetched(&self) -> bool {
        self.0.fetching.is_some()
    }

    /// The key for a token's header, if it can be told without waiting. A fetch that must be waited for is started by
    /// [`resolve`](Self::resolve), in the trace of whoever waits.
    pub(crate) fn lookup(&self, sought: Sought<'_>, arrival: Option<Arrival>, now: Duration) -> Lookup {
        self.step(sought, arrival, now, |state, need| match state.ask(need, now) {
            Advice::Fetch(flight) if has_runtime() => {
                state.lost(flight);
                Advice::Wait
            }
            advice => advice,
        })
    }

    /// Until when [`lookup`](Self::lookup) would let a token rest on this very key if nothing changes; `None` if that cannot be told
    /// by looking. Nothing is written, not even a count: threads do not get into each other's way.
    pub(crate) fn holds_until(
        &self,
        key: &Weak<VerifyingKey>,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: Duration,
    ) -> Option<Duration> {
        let current = self.0.current.load();
        let current = current.as_ref().filter(|current| now < current.unquestioned_until)?;
        current.document.set.accepts(key, kid, algorithm).then_some(current.unquestioned_until)
    }

    /// Whether the set lets a token rest on this very key. Whether the set may be used at all is for
    /// [`lookup`](Self::lookup) to say.
    pub(crate) fn accepts(&self, key: &Weak<VerifyingKey>, kid: Option<&str>, algorithm: Algorithm) -> bool {
        let current = self.0.current.load();
        current.as_ref().is_some_and(|current| current.document.set.accepts(key, kid, algorithm))
    }

    /// The key for a token's header, waiting for a fetch where that is needed: two seconds at most.
    pub(crate) async fn resolve(
        &self,
        sought: Sought<'_>,
        mut arrival: Option<Arrival>,
    ) -> Result<Arc<VerifyingKey>, KeyRefusal> {
        let Some(fetching) = &self.0.fetching else {
            let current = self.0.current.load();
            return answer(current.as_ref().map(|current| current.document.set.select(sought)).as_ref());
        };
        let step = || match self.ask(sought, arrival, self.0.clock.now().monotonic) {
            Lookup::Key(key) => Some(Ok(key)),
            Lookup::Refused(refusal) => Some(Err(refusal)),
            Lookup::Wait(since) => {
                arrival = Some(since);
                None
            }
        };
        let waited = fetching.flight.wait(MAX_WAIT, step).await;
        waited.unwrap_or_else(|_| self.without_waiting(fetching, sought))
    }

    /// Waits until a set is there.
    pub(crate) async fn ready(&self) -> Result<(), Duration> {
        // Asking without a kid never asks for more than a set; which key it has does not matter.
        match self.resolve(Sought::of(None, Algorithm::Es384), None).await {
            Err(KeyRefusal::Unavailable(retry_after)) => Err(retry_after),
            _ => Ok(()),
        }
    }

    fn ask(&self, sought: Sought<'_>, arrival: Option<Arrival>, now: Duration) -> Lookup {
        self.step(sought, arrival, now, |state, need| state.ask(need, now))
    }

    fn step(
        &self,
        sought: Sought<'_>,
        arrival: Option<Arrival>,
        now: Duration,
        ask: impl FnOnce(&mut KeyState, Need<'_>) -> Advice,
    ) -> Lookup {
        if let Some(current) = self.0.current.load().as_ref().filter(|current| now < current.unquestioned_until) {
            match current.document.set.select(sought) {
                Selection::Key(key) => return Lookup::Key(key.clone()),
                Selection::NoneFits => return Lookup::Refused(KeyRefusal::NoneFits),
                Selection::Unknown => {}
            }
        }
        let Some(fetching) = &self.0.fetching else { return Lookup::Refused(KeyRefusal::NotInSet) };
        let overdue = lock(&fetching.state).overdue(now);
        if let Some(flight) = overdue {
            self.0.land(fetching, flight, End::Lost);
        }
        let (advice, arrival, answer) = self.consult(fetching, sought, arrival, now, ask);
        match advice {
            Advice::Wait => return Lookup::Wait(arrival),
            Advice::Fetch(flight) => {
                Shared::start(&self.0, fetching, flight);
                if has_runtime() {
                    return Lookup::Wait(arrival);
                }
            }
            Advice::UseAndFetch(flight) => Shared::start(&self.0, fetching, flight),
            Advice::Unresolved(_) => fetching.meter.note(|to| to.unknown_kid_suppressed(&fetching.origin.name)),
            _ => {}
        }
        answer.map_or_else(Lookup::Refused, Lookup::Key)
    }

    /// The answer when there is no time left to wait.
    fn without_waiting(&self, fetching: &Fetching, sought: Sought<'_>) -> Result<Arc<VerifyingKey>, KeyRefusal> {
        let now = self.0.clock.now().monotonic;
        self.consult(fetching, sought, None, now, |state, need| state.give_up(need, now)).2
    }

    /// What the state machine advises, when the request arrived, and what that means for one that does not wait.
    fn consult(
        &self,
        fetching: &Fetching,
        sought: Sought<'_>,
        arrival: Option<Arrival>,
        now: Duration,
        advise: impl FnOnce(&mut KeyState, Need<'_>) -> Advice,
    ) -> (Advice, Arrival, Result<Arc<VerifyingKey>, KeyRefusal>) {
        let mut state = lock(&fetching.state);
        // Under the lock: advice about one set must not be followed with another.
        let current = self.0.current.load();
        let selection = current.as_ref().map(|current| current.document.set.select(sought));
        let arrival = arrival.unwrap_or_else(|| state.arrival());
        let advice = advise(&mut state, need(selection.as_ref(), sought.kid, arrival));
        let note = state.note();
        // Those who come next need not ask, nor wait for this lock: not while a fetch is in flight, nor in an outage.
        if let Some(current) = current.as_ref().filter(|_| matches!(advice, Advice::Use | Advice::UseAndFetch(_))) {
            let until = state.unquestioned_until(now);
            if until > current.unquestioned_until {
                self.0.publish(fetching, current.document.clone(), until);
            }
        }
        drop(state);
        fetching.say(note);
        (advice, arrival, follow(advice, selection.as_ref()))
    }
}

fn need<'a>(selection: Option<&Selection<'_>>, kid: Option<&'a str>, arrival: Arrival) -> Need<'a> {
    match (selection, kid) {
        (Some(Selection::Unknown), Some(kid)) => Need::Kid { kid, arrival },
        (Some(Selection::Unknown), None) => Need::Unnamed { arrival },
        _ => Need::Held,
    }
}

/// What an advice means for a request that does not wait.
fn follow(advice: Advice, selection: Option<&Selection<'_>>) -> Result<Arc<VerifyingKey>, KeyRefusal> {
    match advice {
        Advice::Use | Advice::UseAndFetch(_) => answer(selection),
        Advice::NotInSet => Err(KeyRefusal::NotInSet),
        Advice::Unresolved(retry_after) => Err(KeyRefusal::Unresolved(retry_after)),
        Advice::Unavailable(retry_after) => Err(KeyRefusal::Unavailable(retry_after)),
        // It would have waited, had the fetch started.
        Advice::Fetch(_) | Advice::Wait => Err(KeyRefusal::Unavailable(MAX_WAIT)),
    }
}

fn answer(selection: Option<&Selection<'_>>) -> Result<Arc<VerifyingKey>, KeyRefusal> {
    match selection {
        Some(Selection::Key(key)) => Ok((*key).clone()),
        Some(Selection::NoneFits) => Err(KeyRefusal::NoneFits),
        Some(Selection::Unknown) => Err(KeyRefusal::NotInSet),
        None => Err(KeyRefusal::Unresolved(MAX_WAIT)),
    }
}

#[cfg(test)]
mod tests;
