//! The key set of one issuer entry, as verification sees it: a lock-free look-up, and a wait where there must be one.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::discovery::{Fetched, Origin, Version};
use super::jwk::{KeySet, Selection};
use super::state::{Advice, Arrival, FlightId, KeyState, MAX_WAIT, Need};
use crate::signature::{Algorithm, VerifyingKey};
use crate::time::Clock;

/// The keys of one issuer entry.
#[derive(Clone)]
pub(crate) struct KeyStore(Arc<Inner>);

struct Inner {
    current: ArcSwapOption<Current>,
    clock: Arc<dyn Clock>,
    /// `None`: the set was given, there is nothing to fetch.
    fetching: Option<Fetching>,
}

struct Fetching {
    origin: Arc<Origin>,
    state: Mutex<KeyState>,
    landed: watch::Sender<()>,
    task: Mutex<Option<AbortHandle>>,
}

/// The set in use.
struct Current {
    set: KeySet,
    version: Option<Version>,
    /// Until then the state machine need not be asked about a key that the set knows.
    unquestioned_until: Duration,
}

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
    /// The set was fetched to make sure, and does not have the `kid`.
    NotInSet,
    /// The `kid` is unknown and could not be looked up now.
    Unresolved,
    /// There are no keys to decide by; try again after this time.
    Unavailable(Duration),
}

impl KeyStore {
    /// A store that fetches its set, on first use.
    pub(crate) fn fetching(origin: Origin, stale_for: Duration, clock: Arc<dyn Clock>) -> Self {
        let fetching = Fetching {
            origin: Arc::new(origin),
            state: Mutex::new(KeyState::new(stale_for)),
            landed: watch::Sender::new(()),
            task: Mutex::new(None),
        };
        Self(Arc::new(Inner { current: ArcSwapOption::empty(), clock, fetching: Some(fetching) }))
    }

    /// A store whose set is given, once and for all.
    pub(crate) fn fixed(set: KeySet, clock: Arc<dyn Clock>) -> Self {
        let current = Current { set, version: None, unquestioned_until: Duration::MAX };
        Self(Arc::new(Inner { current: ArcSwapOption::from_pointee(current), clock, fetching: None }))
    }

    /// The key for a token's header, if it can be told without waiting.
    pub(crate) fn lookup(&self, kid: Option<&str>, algorithm: Algorithm, now: Duration) -> Lookup {
        self.ask(kid, algorithm, None, now)
    }

    /// The key for a token's header, waiting for a fetch where that is needed: two seconds at most.
    pub(crate) async fn resolve(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        mut arrival: Option<Arrival>,
    ) -> Result<Arc<VerifyingKey>, KeyRefusal> {
        let Some(fetching) = &self.0.fetching else {
            return self.settle(kid, algorithm);
        };
        let waiting = async {
            let mut landed = fetching.landed.subscribe();
            loop {
                landed.mark_unchanged();
                match self.ask(kid, algorithm, arrival, self.0.clock.now().monotonic) {
                    Lookup::Key(key) => return Ok(key),
                    Lookup::Refused(refusal) => return Err(refusal),
                    // The sender lives as long as this store does.
                    Lookup::Wait(since) => {
                        arrival = Some(since);
                        _ = landed.changed().await;
                    }
                }
            }
        };
        match tokio::time::timeout(MAX_WAIT, waiting).await {
            Ok(outcome) => outcome,
            Err(_) => self.settle(kid, algorithm),
        }
    }

    /// Waits until a set is there.
    pub(crate) async fn ready(&self) -> Result<(), Duration> {
        // Asking without a kid never asks for more than a set; which key it has does not matter.
        match self.resolve(None, Algorithm::Es384, None).await {
            Err(KeyRefusal::Unavailable(retry_after)) => Err(retry_after),
            _ => Ok(()),
        }
    }

    fn ask(&self, kid: Option<&str>, algorithm: Algorithm, arrival: Option<Arrival>, now: Duration) -> Lookup {
        if let Some(current) = self.0.current.load().as_ref().filter(|current| now < current.unquestioned_until) {
            match current.set.select(kid, algorithm) {
                Selection::Key(key) => return Lookup::Key(key.clone()),
                Selection::NoneFits => return Lookup::Refused(KeyRefusal::NoneFits),
                Selection::UnknownKid => {}
            }
        }
        let Some(fetching) = &self.0.fetching else { return Lookup::Refused(KeyRefusal::NotInSet) };
        let mut state = lock(&fetching.state);
        if let Some(flight) = state.lost(now) {
            drop(state);
            self.0.land(fetching, flight, Err("the fetch did not come to an end".to_owned()));
            state = lock(&fetching.state);
        }
        // Under the lock: advice about one set must not be followed with another.
        let current = self.0.current.load();
        let selection = current.as_ref().map(|current| current.set.select(kid, algorithm));
        let arrival = arrival.unwrap_or_else(|| state.arrival());
        let advice = state.ask(need(selection.as_ref(), kid, arrival), now);
        drop(state);
        match advice {
            Advice::UseAndFetch(flight) => {
                self.start(fetching, flight);
                answer(selection.as_ref())
            }
            Advice::Fetch(flight) if self.start(fetching, flight) => Lookup::Wait(arrival),
            Advice::Fetch(_) => Lookup::Refused(KeyRefusal::Unavailable(MAX_WAIT)),
            Advice::Use => answer(selection.as_ref()),
            Advice::Wait => Lookup::Wait(arrival),
            Advice::NotInSet => Lookup::Refused(KeyRefusal::NotInSet),
            Advice::Unresolved => Lookup::Refused(KeyRefusal::Unresolved),
            Advice::Unavailable(retry_after) => Lookup::Refused(KeyRefusal::Unavailable(retry_after)),
        }
    }

    /// The answer when there is no time left to wait.
    fn settle(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<Arc<VerifyingKey>, KeyRefusal> {
        let now = self.0.clock.now().monotonic;
        let state = self.0.fetching.as_ref().map(|fetching| lock(&fetching.state));
        let current = self.0.current.load();
        let selection = current.as_ref().map(|current| current.set.select(kid, algorithm));
        let advice =
            state.map_or(Advice::Use, |state| state.give_up(need(selection.as_ref(), kid, state.arrival()), now));
        let lookup = match advice {
            Advice::Use => answer(selection.as_ref()),
            Advice::Unresolved => Lookup::Refused(KeyRefusal::Unresolved),
            Advice::Unavailable(retry_after) => Lookup::Refused(KeyRefusal::Unavailable(retry_after)),
            _ => Lookup::Refused(KeyRefusal::NotInSet),
        };
        match lookup {
            Lookup::Key(key) => Ok(key),
            Lookup::Refused(refusal) => Err(refusal),
            Lookup::Wait(_) => Err(KeyRefusal::Unresolved),
        }
    }

    /// Runs one fetch in a task of its own, so that a client which hangs up does not end it. `false` outside a tokio
    /// runtime, where nothing can be fetched: the landing reports the failure when it is dropped.
    fn start(&self, fetching: &Fetching, flight: FlightId) -> bool {
        let landing = Landing { store: Arc::downgrade(&self.0), flight: Some(flight) };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return false };
        let origin = fetching.origin.clone();
        let held = self.0.current.load().as_ref().and_then(|current| current.version.clone());
        // Locked before it is spawned: it may land, and the next one start, before this one's handle is kept.
        let mut task = lock(&fetching.task);
        let spawned = runtime.spawn(async move {
            let outcome = origin.fetch(held).await;
            landing.report(outcome);
        });
        if let Some(lost) = task.replace(spawned.abort_handle()) {
            lost.abort();
        }
        true
    }
}

fn need<'a>(selection: Option<&Selection<'_>>, kid: Option<&'a str>, arrival: Arrival) -> Need<'a> {
    match (selection, kid) {
        (Some(Selection::UnknownKid), Some(kid)) => Need::Kid { kid, arrival },
        _ => Need::Held,
    }
}

fn answer(selection: Option<&Selection<'_>>) -> Lookup {
    match selection {
        Some(Selection::Key(key)) => Lookup::Key(Arc::clone(key)),
        Some(Selection::NoneFits) => Lookup::Refused(KeyRefusal::NoneFits),
        Some(Selection::UnknownKid) => Lookup::Refused(KeyRefusal::NotInSet),
        None => Lookup::Refused(KeyRefusal::Unresolved),
    }
}

/// The end of one fetch. Dropped without a report (a panic, an abort), it reports a failure.
struct Landing {
    store: Weak<Inner>,
    flight: Option<FlightId>,
}

impl Landing {
    fn report(mut self, outcome: Result<Fetched, String>) {
        self.land(outcome);
    }

    fn land(&mut self, outcome: Result<Fetched, String>) {
        let (Some(flight), Some(store)) = (self.flight.take(), self.store.upgrade()) else { return };
        if let Some(fetching) = &store.fetching {
            store.land(fetching, flight, outcome);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.land(Err("the fetch was cancelled".to_owned()));
    }
}

impl Inner {
    fn land(&self, fetching: &Fetching, flight: FlightId, outcome: Result<Fetched, String>) {
        let issuer = &*fetching.origin.name;
        match self.take_in(fetching, flight, outcome) {
            Some(Landed::Refreshed { kids, skipped }) => {
                tracing::debug!(target: "orgate", issuer, ?kids, "key set refreshed");
                if !skipped.is_empty() {
                    tracing::debug!(target: "orgate", issuer, skipped = skipped.join("; "), "keys that cannot be used");
                }
            }
            Some(Landed::Failed { reason, pause }) => {
                tracing::warn!(target: "orgate", issuer, reason, retry_in_ms = pause.as_millis(), "key set not refreshed");
            }
            None => {}
        }
        fetching.landed.send_replace(());
    }

    /// Everything that happens under the lock. `None`: it is not the fetch in flight.
    fn take_in(&self, fetching: &Fetching, flight: FlightId, outcome: Result<Fetched, String>) -> Option<Landed> {
        let now = self.clock.now().monotonic;
        let mut state = lock(&fetching.state);
        let fetched = match outcome {
            Ok(fetched) => fetched,
            Err(reason) => return state.failed(flight, jitter(), now).map(|pause| Landed::Failed { reason, pause }),
        };
        if !state.fetched(flight, fetched.max_age(), jitter(), now) {
            return None;
        }
        let unquestioned_until = state.unquestioned_until();
        let old = self.current.load_full();
        let (set, version, skipped) = match (fetched, &old) {
            (Fetched::Set { mut set, skipped, version, .. }, old) => {
                if let Some(old) = old {
                    set.carry_over(&old.set);
                }
                (set, version, skipped)
            }
            (Fetched::NotModified { .. }, Some(old)) => (old.set.clone(), old.version.clone(), Vec::new()),
            (Fetched::NotModified { .. }, None) => return None,
        };
        let kids = set.kids().map(str::to_owned).collect();
        // Still under the lock: whoever sees the new state must see the new set.
        self.current.store(Some(Arc::new(Current { set, version, unquestioned_until })));
        Some(Landed::Refreshed { kids, skipped })
    }
}

/// What the log says about an outcome.
enum Landed {
    Refreshed { kids: Vec<String>, skipped: Vec<String> },
    Failed { reason: String, pause: Duration },
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = self.fetching.as_ref().and_then(|fetching| lock(&fetching.task).take()) {
            task.abort();
        }
    }
}

/// Every value under these locks is valid at every step: what a panic leaves behind can be used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number in `0.0..1.0`; it spreads refreshes and protects nothing.
#[allow(clippy::cast_precision_loss)]
fn jitter() -> f64 {
    (RandomState::new().build_hasher().finish() >> 11) as f64 / (1_u64 << 53) as f64
}
