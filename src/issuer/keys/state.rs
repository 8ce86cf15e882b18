//! The life cycle of one key set: plain data and functions over `(state, event, now)`.
//!
//! No I/O, no async, no clock, no randomness of its own: time is the monotonic hand that the caller read, jitter a
//! number in `0.0..1.0` that the caller drew.

use std::collections::HashMap;
use std::time::Duration;

use super::status::KeySetState;

mod advice;
mod budget;
mod landing;

pub(crate) use advice::{Advice, Arrival, Emptied, FlightId, Need, Note, Refresh, View};
use budget::{Budget, FORCED_SPACING};

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const REFUSED_FOR: Duration = Duration::from_secs(30);
const MAX_REFUSED: usize = 256;
const MAX_REFUSED_KID: usize = 256;

/// A fetch ends itself before. One that is still out now runs on a runtime that stands still.
const LOST_AFTER: Duration = Duration::from_secs(8);

/// The longest that a request waits for a fetch.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(2);

/// Where one key set stands.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct KeyState {
    stale_for: Duration,
    held: Option<Held>,
    flight: Option<Flight>,
    failures: u32,
    retry_at: Duration,
    forced: Budget,
    /// Kids that a successful fetch did not bring, and until when that is believed.
    refused: HashMap<Box<str>, Duration>,
    flights: u64,
    /// The last fetch that failed.
    failed: u64,
    /// Fetches in a row that brought a set without a usable key, and when the first of them landed.
    empty: Option<(u32, Duration)>,
    note: Option<Note>,
    /// Until when no more is said about suppressed kids.
    suppressed_until: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    flight: FlightId,
    /// `None`: a seed, of unknown age.
    fetched_at: Option<Duration>,
    refresh_at: Duration,
    expires_at: Duration,
    stale_until: Duration,
    /// A fetch was tried since the lifetime ended, and failed.
    proven_stale: bool,
    /// That it serves beyond its lifetime has been said.
    noted_stale: bool,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    id: FlightId,
    started: Duration,
    /// The budget before a forced fetch was taken out of it.
    budget: Option<Budget>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Empty,
    Fresh,
    Expired,
}

impl KeyState {
    pub(crate) fn new(stale_for: Duration) -> Self {
        Self {
            stale_for,
            held: None,
            flight: None,
            failures: 0,
            retry_at: Duration::ZERO,
            forced: Budget::full(),
            refused: HashMap::new(),
            flights: 0,
            failed: 0,
            empty: None,
            note: None,
            suppressed_until: Duration::ZERO,
        }
    }

    fn phase(&self, now: Duration) -> (Phase, Option<Held>) {
        match self.held {
            Some(held) if now < held.expires_at => (Phase::Fresh, Some(held)),
            Some(held) if now < held.stale_until => (Phase::Expired, Some(held)),
            _ => (Phase::Empty, None),
        }
    }

    /// Until when a request for a key of the set need not ask here: it would be told to use it, and nothing would change. That
    /// ends with the set's time, with the hope for the fetch in flight, and where the next fetch is due.
    pub(crate) fn unquestioned_until(&self, now: Duration) -> Duration {
        let next = |held: Held| match self.flight {
            Some(flight) => flight.started.saturating_add(LOST_AFTER),
            None => held.refresh_at.max(self.retry_at),
        };
        match self.phase(now) {
            (Phase::Fresh, Some(held)) => next(held).min(held.expires_at),
            (Phase::Expired, Some(held)) if held.proven_stale && held.noted_stale => next(held).min(held.stale_until),
            _ => Duration::ZERO,
        }
    }

    /// A request arrives.
    pub(crate) fn arrival(&self) -> Arrival {
        Arrival(self.flights)
    }

    /// A request asks.
    pub(crate) fn ask(&mut self, need: Need<'_>, now: Duration) -> Advice {
        let advice = self.advise(need, now);
        self.note_stale(advice, now);
        advice
    }

    fn advise(&mut self, need: Need<'_>, now: Duration) -> Advice {
        match (self.phase(now), need) {
            ((Phase::Fresh, Some(held)), Need::Held) => {
                if now >= held.refresh_at && self.may_start(now) {
                    Advice::UseAndFetch(self.start(now))
                } else {
                    Advice::Use
                }
            }
            ((Phase::Fresh, Some(held)), Need::Kid { kid, arrival }) => self.ask_unknown(held, Some(kid), arrival, now),
            ((Phase::Fresh, Some(held)), Need::Unnamed { arrival }) => self.ask_unknown(held, None, arrival, now),
            ((Phase::Expired, Some(held)), Need::Held) => match self.flight {
                _ if held.proven_stale && self.may_start(now) => Advice::UseAndFetch(self.start(now)),
                _ if held.proven_stale => Advice::Use,
                Some(flight) if now < flight.started.saturating_add(MAX_WAIT) => Advice::Wait,
                None if self.may_start(now) => Advice::Fetch(self.start(now)),
                _ => Advice::Use,
            },
            _ if self.flight.is_some() => Advice::Wait,
            _ if self.may_start(now) => Advice::Fetch(self.start(now)),
            _ => Advice::Unavailable(self.retry_at.saturating_sub(now)),
        }
    }

    fn ask_unknown(&mut self, held: Held, kid: Option<&str>, arrival: Arrival, now: Duration) -> Advice {
        if held.flight.0 > arrival.0 {
            if let Some(kid) = kid {
                self.remember_refused(kid, now);
            }
            return Advice::NotInSet;
        }
        if kid.and_then(|kid| self.refused.get(kid)).is_some_and(|until| now < *until) {
            return Advice::NotInSet;
        }
        if self.flight.is_some() {
            return Advice::Wait;
        }
        if now < self.retry_at {
            return Advice::Unavailable(self.retry_at.saturating_sub(now));
        }
        let budget = self.forced;
        if self.forced.take(now) {
            let id = self.start(now);
            self.flight = Some(Flight { id, started: now, budget: Some(budget) });
            return Advice::Fetch(id);
        }
        if now >= self.suppressed_until {
            self.suppressed_until = now.saturating_add(FORCED_SPACING);
            self.note = Some(Note::KidSuppressed);
        }
        Advice::Unresolved(self.forced.rest(now))
    }

    /// A request waited as long as it may.
    pub(crate) fn give_up(&mut self, need: Need<'_>, now: Duration) -> Advice {
        let advice = match (self.phase(now).0, need) {
            (Phase::Fresh | Phase::Expired, Need::Held) => Advice::Use,
            (Phase::Fresh, Need::Kid { .. } | Need::Unnamed { .. }) => Advice::Unresolved(FIRST_BACKOFF),
            _ => Advice::Unavailable(self.retry_at.saturating_sub(now).max(FIRST_BACKOFF)),
        };
        self.note_stale(advice, now);
        advice
    }

    /// The first use of a set beyond its lifetime is worth saying.
    fn note_stale(&mut self, advice: Advice, now: Duration) {
        let uses = matches!(advice, Advice::Use | Advice::UseAndFetch(_));
        if let Some(held) = self.held.as_mut().filter(|held| uses && now >= held.expires_at && !held.noted_stale) {
            held.noted_stale = true;
            self.note = Some(Note::StaleServed { age: held.fetched_at.map(|at| now.saturating_sub(at)) });
        }
    }

    /// What there is to say since the last time.
    pub(crate) fn note(&mut self) -> Option<Note> {
        self.note.take()
    }

    /// A set of unknown age is there from the start: it serves once a fetch was tried and failed.
    pub(crate) fn seed(&mut self, now: Duration) {
        self.held = Some(Held {
            flight: FlightId(0),
            fetched_at: None,
            refresh_at: now,
            expires_at: now,
            stale_until: now.saturating_add(self.stale_for),
            proven_stale: false,
            noted_stale: false,
        });
    }

    /// Somebody wants a set that was asked for after `arrival`, back-off or not.
    pub(crate) fn refresh(&mut self, arrival: Arrival, now: Duration) -> Refresh {
        match self.flight {
            _ if self.held.is_some_and(|held| held.flight.0 > arrival.0) => Refresh::Done,
            Some(_) => Refresh::Wait,
            None if self.failed > arrival.0 => Refresh::Failed,
            None => Refresh::Fetch(self.start(now)),
        }
    }

    /// How it looks from outside.
    pub(crate) fn view(&self, now: Duration) -> View {
        let (phase, held) = self.phase(now);
        View {
            state: match (phase, held) {
                (Phase::Fresh, Some(held)) if now < held.refresh_at => KeySetState::Fresh,
                (Phase::Fresh, _) => KeySetState::RefreshDue,
                (Phase::Expired, _) => KeySetState::Stale,
                (Phase::Empty, _) => KeySetState::Empty,
            },
            age: held.and_then(|held| held.fetched_at).map(|at| now.saturating_sub(at)),
            next_refresh: held.map_or(now, |held| held.refresh_at).max(self.retry_at).saturating_sub(now),
            fetching: self.flight.is_some(),
            failures: self.failures,
        }
    }

    /// The fetch in flight, if no outcome of it can be hoped for. It is to be reported as lost.
    pub(crate) fn overdue(&self, now: Duration) -> Option<FlightId> {
        self.flight.filter(|flight| now >= flight.started.saturating_add(LOST_AFTER)).map(|flight| flight.id)
    }

    fn may_start(&self, now: Duration) -> bool {
        self.flight.is_none() && now >= self.retry_at
    }

    fn start(&mut self, now: Duration) -> FlightId {
        self.flights += 1;
        let id = FlightId(self.flights);
        self.flight = Some(Flight { id, started: now, budget: None });
        id
    }

    fn remember_refused(&mut self, kid: &str, now: Duration) {
        if kid.len() > MAX_REFUSED_KID {
            return;
        }
        if self.refused.len() >= MAX_REFUSED {
            self.refused.retain(|_, until| now < *until);
        }
        // A full memory drops no entry: the budget still bounds what a new kid can cost.
        if self.refused.len() < MAX_REFUSED {
            self.refused.entry(kid.into()).or_insert(now.saturating_add(REFUSED_FOR));
        }
    }
}

#[cfg(test)]
mod tests;
