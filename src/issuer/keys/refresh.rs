//! One fetch at a time, in a task of its own, and what is made of its outcome.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::changes::Changes;
use super::discovery::{Document, Fetched, Origin};
use super::event::{KeyEvent, Watcher, tell};
use super::jwk::KeySet;
use super::state::{FlightId, KeyState, Note};
use crate::time::Clock;

/// What all clones of a store share.
pub(super) struct Shared {
    pub(super) current: ArcSwapOption<Current>,
    pub(super) clock: Arc<dyn Clock>,
    /// `None`: the set was given, there is nothing to fetch.
    pub(super) fetching: Option<Fetching>,
}

pub(super) struct Fetching {
    pub(super) state: Mutex<KeyState>,
    /// Told after every landing.
    pub(super) landed: watch::Sender<()>,
    pub(super) last_error: Mutex<Option<String>>,
    pub(super) origin: Arc<Origin>,
    task: Mutex<Option<AbortHandle>>,
    watcher: Option<Watcher>,
    pub(super) changes: Changes,
}

/// The set in use.
pub(super) struct Current {
    pub(super) document: Arc<Document>,
    /// Until then the state machine need not be asked about a key that the set knows.
    pub(super) unquestioned_until: Duration,
}

impl Shared {
    pub(super) fn fixed(document: Document, clock: Arc<dyn Clock>) -> Self {
        let current = Current { document: Arc::new(document), unquestioned_until: Duration::MAX };
        Self { current: ArcSwapOption::from_pointee(current), clock, fetching: None }
    }

    pub(super) fn fetching(
        origin: Origin,
        life: &RefreshSettings,
        clock: Arc<dyn Clock>,
        seed: Option<Document>,
    ) -> Self {
        let mut state = KeyState::new(life.stale_for);
        if seed.is_some() {
            state.seed(clock.now().monotonic);
        }
        let fetching = Fetching {
            state: Mutex::new(state),
            landed: watch::Sender::new(()),
            last_error: Mutex::new(None),
            origin: Arc::new(origin),
            task: Mutex::new(None),
            watcher: life.watcher.clone(),
            changes: life.changes.clone(),
        };
        let seed = seed.map(|seed| Arc::new(Current { document: Arc::new(seed), unquestioned_until: Duration::ZERO }));
        Self { current: ArcSwapOption::new(seed), clock, fetching: Some(fetching) }
    }

    /// Runs one fetch in a task of its own, so that a client which hangs up does not end it. `false` outside a tokio
    /// runtime, where nothing can be fetched: the landing reports the failure when it is dropped.
    pub(super) fn start(self: &Arc<Self>, fetching: &Fetching, flight: FlightId) -> bool {
        let landing = Landing { store: Arc::downgrade(self), flight: Some(flight) };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return false };
        let origin = fetching.origin.clone();
        let held = self.current.load().as_ref().and_then(|current| current.document.version.clone());
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

    pub(super) fn land(&self, fetching: &Fetching, flight: FlightId, outcome: Result<Fetched, String>) {
        let now = self.clock.now().monotonic;
        let landed = self.take_in(fetching, flight, outcome, now);
        // Those who wait go on before anybody is told. Nobody is told under a lock.
        fetching.landed.send_replace(());
        fetching.log_skipped(&landed.skipped);
        for event in &landed.events {
            fetching.tell(event);
        }
    }

    /// Everything that happens under the lock, where nobody else's code runs. Nothing, if it is not the fetch in flight.
    fn take_in(
        &self,
        fetching: &Fetching,
        flight: FlightId,
        outcome: Result<Fetched, String>,
        now: Duration,
    ) -> Landed {
        let mut state = lock(&fetching.state);
        let recovered = state.view(now).failures > 0;
        let old = self.current.load_full().map(|current| current.document.clone());
        let brought = outcome.and_then(|fetched| {
            let max_age = fetched.max_age();
            match (fetched, &old) {
                (Fetched::Set { mut document, skipped, .. }, _) => {
                    if let Some(old) = &old {
                        document.set.carry_over(&old.set);
                    }
                    Ok((Arc::from(document), skipped, max_age))
                }
                (Fetched::NotModified { .. }, Some(old)) => Ok((old.clone(), Vec::new(), max_age)),
                (Fetched::NotModified { .. }, None) => Err("a 304, and no set that it could confirm".to_owned()),
            }
        });
        let (document, skipped, max_age) = match brought {
            Ok(brought) => brought,
            Err(mut reason) => {
                shorten(&mut reason);
                let Some(retry_in) = state.failed(flight, jitter(), now) else { return Landed::default() };
                // The old set was not to be questioned before this fetch landed.
                if let Some(old) = old {
                    self.publish(fetching, old, state.unquestioned_until(now));
                }
                *lock(&fetching.last_error) = Some(reason.clone());
                return Landed { events: vec![KeyEvent::Failed { reason, retry_in }], skipped: Vec::new() };
            }
        };
        if !state.fetched(flight, max_age, jitter(), now) {
            return Landed::default();
        }
        // At once, and still under the lock: whoever sees the new state must see the new set.
        self.publish(fetching, document.clone(), state.unquestioned_until(now));
        *lock(&fetching.last_error) = None;
        let mut events = vec![compared(old.as_ref().map(|old| &old.set), &document.set)];
        events.extend(recovered.then_some(KeyEvent::Recovered));
        Landed { events, skipped }
    }

    /// To be called under the lock of the state that says so.
    pub(super) fn publish(&self, fetching: &Fetching, document: Arc<Document>, unquestioned_until: Duration) {
        self.current.store(Some(Arc::new(Current { document, unquestioned_until })));
        fetching.changes.note();
    }
}

/// What there is to say about an outcome.
#[derive(Default)]
struct Landed {
    events: Vec<KeyEvent>,
    skipped: Vec<String>,
}

/// An issuer writes part of the reason, as much of it as it likes.
fn shorten(reason: &mut String) {
    const MOST: usize = 1024;
    if let Some((at, _)) = reason.char_indices().nth(MOST) {
        reason.truncate(at);
        reason.push_str(" ...");
    }
}

/// How the sets of all entries of a server live.
pub(crate) struct RefreshSettings {
    pub(crate) stale_for: Duration,
    pub(crate) watcher: Option<Watcher>,
    pub(crate) changes: Changes,
}

impl Fetching {
    fn tell(&self, event: &KeyEvent) {
        let issuer = &*self.origin.name;
        match event {
            KeyEvent::Failed { reason, retry_in } => {
                tracing::warn!(target: "orgate", issuer, reason, retry_in_ms = retry_in.as_millis(), "key set not refreshed");
            }
            KeyEvent::StaleServed { age } => {
                tracing::warn!(target: "orgate", issuer, age_s = age.map(|age| age.as_secs()), "stale keys serve");
            }
            KeyEvent::Fetched { added, removed, kept } => {
                tracing::debug!(target: "orgate", issuer, ?added, ?removed, ?kept, "key set refreshed");
            }
            KeyEvent::Recovered => tracing::info!(target: "orgate", issuer, "key set recovered"),
            KeyEvent::UnknownKidSuppressed => {
                tracing::debug!(target: "orgate", issuer, "unknown kids are not looked up");
            }
        }
        tell(self.watcher.as_ref(), issuer, event);
    }

    pub(super) fn say(&self, note: Option<Note>) {
        match note {
            Some(Note::StaleServed { age }) => self.tell(&KeyEvent::StaleServed { age }),
            Some(Note::KidSuppressed) => self.tell(&KeyEvent::UnknownKidSuppressed),
            None => {}
        }
    }

    fn log_skipped(&self, skipped: &[String]) {
        if !skipped.is_empty() {
            let mut joined = skipped.join("; ");
            shorten(&mut joined);
            tracing::debug!(target: "orgate", issuer = &*self.origin.name, skipped = joined, "keys that cannot be used");
        }
    }
}

/// Which keys are new, gone and the same.
fn compared(old: Option<&KeySet>, new: &KeySet) -> KeyEvent {
    let none = KeySet::default();
    let old = old.unwrap_or(&none);
    KeyEvent::Fetched {
        added: new.kids_shared(old, false),
        removed: old.kids_shared(new, false),
        kept: new.kids_shared(old, true),
    }
}

/// The end of one fetch. Dropped without a report (a panic, an abort), it reports a failure.
struct Landing {
    store: Weak<Shared>,
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

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(task) = self.fetching.as_ref().and_then(|fetching| lock(&fetching.task).take()) {
            task.abort();
        }
    }
}

/// Every value under these locks is valid at every step: what a panic leaves behind can be used.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number in `0.0..1.0`, another one each time; it spreads fetches and protects nothing.
#[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
pub(crate) fn jitter() -> f64 {
    (RandomState::new().build_hasher().finish() >> 11) as f64 / (1_u64 << 53) as f64
}
