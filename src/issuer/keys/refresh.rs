//! One fetch at a time, in a task of its own, and what is made of its outcome.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::compromised::Thumbprint;
use super::discovery::{Document, Fetched, Origin};
use super::event::{KeyEvent, Watcher, tell};
use super::generation::Generation;
use super::jwk::KeySet;
use super::state::{Emptied, FlightId, KeyState, Note};
use crate::flight::{End, Flight};
use crate::lock::{lock, step};
use crate::meter::{Call, CallOutcome, Meter};
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
    pub(super) flight: Flight,
    pub(super) last_error: Mutex<Option<String>>,
    pub(super) origin: Arc<Origin>,
    watcher: Option<Watcher>,
    pub(super) generation: Generation,
    pub(super) meter: Meter,
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
        let seed = seed.map(|seed| Document { set: seed.set.without(|key| origin.compromised.holds(key)), ..seed });
        let seed = seed.filter(|seed| !seed.set.is_empty());
        let mut state = KeyState::new(life.stale_for);
        if seed.is_some() {
            state.seed(clock.now().monotonic);
        }
        let fetching = Fetching {
            state: Mutex::new(state),
            flight: Flight::default(),
            last_error: Mutex::new(None),
            origin: Arc::new(origin),
            watcher: life.watcher.clone(),
            generation: life.generation.clone(),
            meter: life.meter.clone(),
        };
        let seed = seed.map(|seed| Arc::new(Current { document: Arc::new(seed), unquestioned_until: Duration::ZERO }));
        Self { current: ArcSwapOption::new(seed), clock, fetching: Some(fetching) }
    }

    /// Runs one fetch in a task of its own, so that a client which hangs up does not end it.
    pub(super) fn start(self: &Arc<Self>, fetching: &Fetching, flight: FlightId) {
        let origin = fetching.origin.clone();
        let held = self.current.load().as_ref().and_then(|current| current.document.version.clone());
        let store = Arc::downgrade(self);
        let call = fetching.meter.begin(Call::KeySet, Some(&origin.name), &self.clock);
        fetching.flight.start(async move { origin.fetch(held).await }, move |end| {
            let Some(store) = store.upgrade() else { return };
            if let Some(fetching) = &store.fetching {
                match store.land(fetching, flight, end) {
                    Some(outcome) => call.end(outcome),
                    None => drop(call),
                }
            }
        });
    }

    /// Returns how the fetch ended, if it is known.
    pub(super) fn land(
        &self,
        fetching: &Fetching,
        flight: FlightId,
        end: End<Result<Fetched, String>>,
    ) -> Option<CallOutcome> {
        let outcome = match end {
            End::Done(outcome) => outcome,
            End::Panicked => Err("the HTTP client panicked".to_owned()),
            // Nothing is known about the issuer: whoever waits, or comes next, starts another.
            End::Lost => {
                lock(&fetching.state).lost(flight);
                return None;
            }
        };
        let now = self.clock.now().monotonic;
        let landed = self.take_in(fetching, flight, outcome, now);
        fetching.log_skipped(&landed.skipped);
        // Nothing is reported under a lock.
        for event in &landed.events {
            fetching.tell(event);
        }
        landed.events.iter().find_map(|event| match event {
            KeyEvent::Fetched { .. } => Some(CallOutcome::Answered),
            KeyEvent::Failed { .. } => Some(CallOutcome::Failed),
            _ => None,
        })
    }

    /// Everything that happens under the lock, where no foreign code runs. Nothing, if it is not the fetch in flight.
    fn take_in(
        &self,
        fetching: &Fetching,
        flight: FlightId,
        outcome: Result<Fetched, String>,
        now: Duration,
    ) -> Landed {
        let mut state = lock(&fetching.state);
        if !state.is_current(flight) {
            return Landed::default();
        }
        let recovers = state.view(now).failures > 0;
        let mut landed = Landed::default();
        let old = self.current.load_full().map(|current| current.document.clone());
        let (old, outcome) = self.without_compromised(fetching, old, outcome, &mut landed);
        let brought = outcome.and_then(|fetched| fetched.resolve(old.as_ref(), &fetching.origin.compromised));
        let (document, skipped, max_age) = match brought {
            Ok(brought) => brought,
            Err(mut reason) => {
                shorten(&mut reason);
                let Some(retry_in) = state.failed(flight, jitter(), now) else { return landed };
                // The old set remained valid until this fetch was done.
                if let Some(old) = old {
                    self.publish(fetching, old, state.unquestioned_until(now));
                }
                *lock(&fetching.last_error) = Some(reason.clone());
                landed.events.push(KeyEvent::Failed { reason, retry_in });
                return landed;
            }
        };
        landed.skipped = skipped;
        if document.set.is_empty() {
            self.take_in_empty(fetching, &mut state, flight, old, now, &mut landed);
            return landed;
        }
        if !state.fetched(flight, max_age, jitter(), now) {
            return landed;
        }
        // At once, and still under the lock: whoever sees the new state must see the new set.
        self.publish(fetching, document.clone(), state.unquestioned_until(now));
        *lock(&fetching.last_error) = None;
        landed.events.push(compared(old.as_ref().map(|old| &old.set), &document.set));
        landed.events.extend(recovers.then_some(KeyEvent::Recovered));
        landed
    }

    /// A well-formed set without a usable key.
    fn take_in_empty(
        &self,
        fetching: &Fetching,
        state: &mut KeyState,
        flight: FlightId,
        old: Option<Arc<Document>>,
        now: Duration,
        landed: &mut Landed,
    ) {
        let Some(Emptied { gone, retry_in }) = state.emptied(flight, jitter(), now) else { return };
        let mut reason = format!("the key set has no usable key; {}", landed.skipped.join("; "));
        shorten(&mut reason);
        *lock(&fetching.last_error) = Some(reason.clone());
        landed.events.push(KeyEvent::Failed { reason, retry_in });
        match old {
            Some(old) if gone => {
                landed.events.push(KeyEvent::Withdrawn { removed: old.set.kids().map(str::to_owned).collect() });
                self.current.store(None);
                fetching.generation.advance();
            }
            Some(old) => self.publish(fetching, old, state.unquestioned_until(now)),
            None => {}
        }
    }

    /// Notes the private keys that a document publishes, and drops them from the held set: at once, whatever becomes of the
    /// document.
    fn without_compromised(
        &self,
        fetching: &Fetching,
        old: Option<Arc<Document>>,
        outcome: Result<Fetched, String>,
        landed: &mut Landed,
    ) -> (Option<Arc<Document>>, Result<Fetched, String>) {
        let private = match &outcome {
            Ok(Fetched::Set { private, .. }) if !private.is_empty() => private,
            _ => return (old, outcome),
        };
        let is_private = |thumbprint: &Thumbprint| private.iter().any(|key| key.thumbprint == Some(*thumbprint));
        let kept = old.map(|old| {
            let kept = Document { set: old.set.without(is_private), version: old.version.clone() };
            Arc::new(kept)
        });
        if let Some(kept) = &kept {
            self.publish(fetching, kept.clone(), Duration::ZERO);
        }
        let key_ids = private.iter().filter_map(|key| key.kid.as_deref().map(str::to_owned)).collect();
        landed.events.push(KeyEvent::PrivateKeyPublished { key_ids });
        let has_room = fetching.origin.compromised.note(private);
        let full = || "more private keys were published than are remembered: the key set is rejected".to_owned();
        (kept, if has_room { outcome } else { Err(full()) })
    }

    /// To be called under the lock of the state that says so.
    pub(super) fn publish(&self, fetching: &Fetching, document: Arc<Document>, unquestioned_until: Duration) {
        step();
        self.current.store(Some(Arc::new(Current { document, unquestioned_until })));
        fetching.generation.advance();
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
#[derive(Clone)]
pub(crate) struct RefreshSettings {
    pub(crate) stale_for: Duration,
    pub(crate) watcher: Option<Watcher>,
    pub(crate) generation: Generation,
    pub(crate) meter: Meter,
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
                self.meter.note(|to| to.stale_keys_served(issuer));
            }
            KeyEvent::Fetched { added, removed, kept } => {
                tracing::debug!(target: "orgate", issuer, ?added, ?removed, ?kept, "key set refreshed");
            }
            KeyEvent::PrivateKeyPublished { key_ids } => {
                tracing::error!(target: "orgate", issuer, ?key_ids, "the issuer published private keys: they are never used again");
            }
            KeyEvent::Withdrawn { removed } => {
                tracing::error!(target: "orgate", issuer, ?removed, "the issuer has withdrawn its keys");
            }
            KeyEvent::Recovered => tracing::info!(target: "orgate", issuer, "key set recovered"),
            KeyEvent::UnknownKidSuppressed => {
                tracing::debug!(target: "orgate", issuer, "lookups of unknown kids are suppressed");
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

/// A number in `0.0..1.0`, another one each time; it spreads fetches and protects nothing.
#[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
pub(crate) fn jitter() -> f64 {
    (RandomState::new().build_hasher().finish() >> 11) as f64 / (1_u64 << 53) as f64
}
