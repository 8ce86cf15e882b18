//! What is asked of the state machine, and what it answers.

use std::time::Duration;

use super::super::status::KeySetState;

/// Which fetch an outcome belongs to. The outcome of any but the current one is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlightId(pub(super) u64);

/// When a request began to ask, in fetches: only one that started later can prove that a `kid` is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival(pub(super) u64);

/// What a request needs of the set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need<'a> {
    /// The set as it is has all that the request needs.
    Held,
    /// A `kid` that the set does not know.
    Kid { kid: &'a str, arrival: Arrival },
    /// A key that the set does not have, for a token that names none.
    Unnamed { arrival: Arrival },
}

/// What to do for that request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Use the set.
    Use,
    /// Use the set, and start this fetch in the background.
    UseAndFetch(FlightId),
    /// Start this fetch and wait for it, two seconds at most.
    Fetch(FlightId),
    /// Wait for the fetch in flight, two seconds at most.
    Wait,
    /// The `kid` is not in a set that was fetched to make sure.
    NotInSet,
    /// The `kid` could not be looked up before this much time has passed: the budget is spent, or the wait over.
    Unresolved(Duration),
    /// Nothing can be decided before this much time has passed.
    Unavailable(Duration),
}

/// What to do for somebody who wants a new set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    Fetch(FlightId),
    Wait,
    Done,
    Failed,
}

/// What a set without a usable key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Emptied {
    /// It is believed now: the keys that were held are not used any more.
    pub(crate) gone: bool,
    pub(crate) retry_in: Duration,
}

/// What is worth saying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    StaleServed { age: Option<Duration> },
    KidSuppressed,
}

/// Where a key set stands, without its keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) state: KeySetState,
    pub(crate) age: Option<Duration>,
    pub(crate) next_refresh: Duration,
    pub(crate) fetching: bool,
    pub(crate) failures: u32,
}
