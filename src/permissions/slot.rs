//! What is known about one query, and what to do for a request that asks: a pure state machine.

use std::sync::Arc;
use std::time::Duration;

use super::source::Permissions;
use super::source_error::SourceError;
use crate::change::Epoch;
use crate::time::Now;

/// How long a failure is the answer for everybody who asks.
const FAILURE_COUNTS: Duration = Duration::from_secs(1);

/// What a subject held when a fetch began.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) permissions: Permissions,
    pub(super) began: Epoch,
    pub(super) began_at: Now,
}

/// What a request needs of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Its fetch began not longer ago than this, or after the request came: a slow source must not be asked for ever.
    Within(Duration, Epoch),
    /// Its fetch began after this.
    After(Epoch),
}

/// What is known about one query.
#[derive(Debug, Default)]
pub(super) struct Slot {
    held: Option<Arc<Snapshot>>,
    flight: Option<Flight>,
    failure: Option<(SourceError, Duration)>,
    flights: u64,
}

#[derive(Debug)]
struct Flight {
    id: FlightId,
    began: Option<(Epoch, Now)>,
}

/// One fetch. Reports of any other one are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlightId(u64);

/// What a request should do.
#[derive(Debug)]
pub(super) enum Advice {
    Use(Arc<Snapshot>),
    /// Start this fetch, and wait.
    Fetch(FlightId),
    /// A fetch is under way: ask again when it has landed.
    Wait,
    Failed(SourceError),
}

impl Snapshot {
    pub(super) fn meets(&self, need: Freshness, mark: Epoch, now: Duration) -> bool {
        self.began > mark
            && match need {
                Freshness::Within(age, ticket) => {
                    self.began > ticket || now.saturating_sub(self.began_at.monotonic) <= age
                }
                Freshness::After(ticket) => self.began > ticket,
            }
    }

    /// By the monotonic clock.
    pub(super) fn began_at(&self) -> Duration {
        self.began_at.monotonic
    }

    /// Whether a request that arrived then may be rejected by it: only if it cannot be older than what the token says.
    pub(crate) fn may_deny(&self, arrival: Epoch, settled: Option<Duration>) -> bool {
        self.began > arrival || settled.is_some_and(|settled| self.began_at.unix > settled)
    }
}

impl Slot {
    /// `mark` is when the query's subject changed last: whatever began before is not true any more.
    pub(super) fn ask(&mut self, need: Freshness, mark: Epoch, now: Duration) -> Advice {
        if let Some(held) = self.held.as_ref().filter(|held| held.meets(need, mark, now)) {
            return Advice::Use(held.clone());
        }
        if self.flight.is_some() {
            return Advice::Wait;
        }
        if let Some((error, _)) = self.failure.as_ref().filter(|(_, until)| now < *until) {
            return Advice::Failed(error.clone());
        }
        Advice::Fetch(self.take_off())
    }

    /// What is held, if it meets the need.
    pub(super) fn held(&self, need: Freshness, mark: Epoch, now: Duration) -> Option<Arc<Snapshot>> {
        self.held.as_ref().filter(|held| held.meets(need, mark, now)).cloned()
    }

    /// A fetch in the background, if what is held is older than that and none is under way or has just failed.
    pub(super) fn refresh_ahead(&mut self, soft: Duration, now: Duration) -> Option<FlightId> {
        let is_due = self.held.as_ref().is_some_and(|held| now.saturating_sub(held.began_at.monotonic) >= soft);
        let failed = self.failure.as_ref().is_some_and(|(_, until)| now < *until);
        (is_due && self.flight.is_none() && !failed).then(|| self.take_off())
    }

    fn take_off(&mut self) -> FlightId {
        self.flights += 1;
        let id = FlightId(self.flights);
        self.flight = Some(Flight { id, began: None });
        id
    }

    /// The source is asked from now on: what it says is true as of this moment, or later.
    pub(super) fn begin(&mut self, id: FlightId, ticket: Epoch, now: Now) {
        if let Some(flight) = self.flight.as_mut().filter(|flight| flight.id == id) {
            flight.began = Some((ticket, now));
        }
    }

    /// A fetch ended without an outcome, and not by a fault of the source: the next request starts another.
    pub(super) fn lost(&mut self, id: FlightId) {
        self.flight.take_if(|flight| flight.id == id);
    }

    pub(super) fn land(&mut self, id: FlightId, outcome: Result<Permissions, SourceError>, now: Duration) {
        let Some(flight) = self.flight.take_if(|flight| flight.id == id) else { return };
        let outcome = outcome.and_then(|permissions| match flight.began {
            Some((began, began_at)) => Ok(Arc::new(Snapshot { permissions, began, began_at })),
            None => Err(SourceError::new("an answer to what was not asked")),
        });
        match outcome {
            Ok(snapshot) => (self.held, self.failure) = (Some(snapshot), None),
            Err(error) => self.failure = Some((error, now.saturating_add(FAILURE_COUNTS))),
        }
    }
}

#[cfg(test)]
mod tests;
