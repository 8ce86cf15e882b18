//! How many calls may begin, and when: a pure state machine.
//!
//! Calls are granted to snapshots ahead of time, so that one that was begun can be finished: without that, a burst would
//! spend the window on first halves. What was granted and what began within the last window are never more than the limit
//! together, so neither is what begins in any window.

use std::collections::VecDeque;
use std::time::Duration;

/// What the limit is counted over, unless the calls are shared among many.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// A look-up makes up to eight calls and one for its token: with fewer in a window none would end.
pub(super) const LEAST_IN_WINDOW: usize = 10;
/// In milliseconds.
const MINUTE: usize = 60_000;
/// Whoever could not begin within this time is told so at once.
pub(super) const PATIENCE: Duration = Duration::from_millis(1500);

/// What is told beyond that is no fleet.
const MOST_REPLICAS: usize = 100_000;

/// A place in the queue: who began a snapshot first comes first, also for the calls it did not foresee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) snapshot: u64,
    pub(super) number: u64,
}

/// The calls of one source.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    window: Duration,
    /// When the calls of the last window began, oldest first.
    begun: VecDeque<Duration>,
    /// Granted, and not begun yet.
    granted: usize,
    /// Who waits for how many.
    waiting: Vec<(Place, usize)>,
    closed_until: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// They may begin.
    Granted,
    /// Ask again after this time, or when something was given back.
    Wait(Duration),
    Refused(Refusal),
}

/// No call now; perhaps after this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The limit is reached.
    Full(Duration),
    /// The tenant said 429.
    Closed(Duration),
}

impl Budget {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            window: WINDOW,
            begun: VecDeque::new(),
            granted: 0,
            waiting: Vec::new(),
            closed_until: Duration::ZERO,
        }
    }

    /// Takes one replica's share of `all` calls. What was granted stays. A share that is too small for a look-up is counted over
    /// a longer window, at the same rate.
    pub(super) fn share(&mut self, all: usize, replicas: usize) {
        let replicas = replicas.clamp(1, MOST_REPLICAS);
        let share = all / replicas;
        if share >= LEAST_IN_WINDOW {
            (self.most, self.window) = (share, WINDOW);
        } else {
            let needed = u32::try_from(LEAST_IN_WINDOW * replicas).unwrap_or(u32::MAX);
            let all = u32::try_from(all.max(1)).unwrap_or(u32::MAX);
            (self.most, self.window) = (LEAST_IN_WINDOW, WINDOW.saturating_mul(needed) / all);
        }
    }

    /// Asks for so many calls. Who is told to wait stands in the queue until it is granted, rejected, or [leaves](Self::leave).
    pub(super) fn ask(&mut self, place: Place, calls: usize, now: Duration) -> Answer {
        self.forget(now);
        let calls = calls.min(self.most);
        let ahead = self.ahead_of(place);
        if let Err(refusal) = self.check_open(now) {
            self.leave(place);
            return Answer::Refused(refusal);
        }
        if self.begun.len() + self.granted + ahead + calls <= self.most {
            self.leave(place);
            self.granted += calls;
            return Answer::Granted;
        }
        // At best all that was granted is given back, and no call ahead of it continues.
        let wait = self.room_for(calls, now);
        if wait > PATIENCE {
            self.leave(place);
            return Answer::Refused(Refusal::Full(wait));
        }
        self.leave(place);
        self.waiting.push((place, calls));
        Answer::Wait(self.begun.front().map_or(PATIENCE, |&oldest| (oldest + self.window).saturating_sub(now)))
    }

    /// When enough of what has begun will have left the window.
    pub(super) fn room_for(&self, calls: usize, now: Duration) -> Duration {
        let over = (self.begun.len() + calls).saturating_sub(self.most);
        let last = over.checked_sub(1).and_then(|last| self.begun.get(last));
        last.map_or(Duration::ZERO, |&last| (last + self.window).saturating_sub(now))
    }

    /// Grants one call more, if it can begin now, no earlier caller waits for it, and `spare` others still could.
    pub(super) fn take(&mut self, place: Place, spare: usize, now: Duration) -> bool {
        self.forget(now);
        let ahead = self.ahead_of(place);
        let has_room = self.begun.len() + self.granted + ahead + spare < self.most;
        let is_granted = has_room && self.check_open(now).is_ok();
        self.granted += usize::from(is_granted);
        is_granted
    }

    /// Why so many calls cannot be made now, and when they could be made, if there are no others: perhaps only after
    /// several windows.
    pub(super) fn short_of(&mut self, calls: usize, now: Duration) -> Refusal {
        self.forget(now);
        if let Err(closed) = self.check_open(now) {
            return closed;
        }
        let windows = calls.saturating_sub(1) / self.most;
        let wait = self.room_for(calls - windows * self.most, now);
        let windows = u32::try_from(windows).unwrap_or(u32::MAX);
        Refusal::Full(wait.saturating_add(self.window.saturating_mul(windows)).max(Duration::from_secs(1)))
    }

    /// How old what is shared may be where the calls do not suffice to read it anew: as long as a look-up of so many calls
    /// takes, twice over.
    pub(super) fn patience_for(&self, calls: usize) -> Duration {
        let windows = u32::try_from((2 * calls).div_ceil(self.most)).unwrap_or(u32::MAX);
        self.window.saturating_mul(windows.saturating_add(1))
    }

    /// How many calls are neither begun nor granted; zero while the tenant asks for a pause.
    pub(super) fn left(&mut self, now: Duration) -> usize {
        self.forget(now);
        let left = self.most.saturating_sub(self.begun.len() + self.granted);
        if self.check_open(now).is_ok() { left } else { 0 }
    }

    /// How many calls may begin in a minute.
    pub(super) fn calls_a_minute(&self) -> usize {
        let window = usize::try_from(self.window.as_millis()).unwrap_or(usize::MAX).max(1);
        self.most.saturating_mul(MINUTE) / window
    }

    /// A part of all calls that is left to look-ups that begin.
    pub(super) const fn spare(&self) -> usize {
        self.most / 4
    }

    /// One of those granted begins.
    pub(super) fn begin(&mut self, now: Duration) -> Result<(), Refusal> {
        self.check_open(now)?;
        self.forget(now);
        self.granted = self.granted.saturating_sub(1);
        self.begun.push_back(now);
        Ok(())
    }

    /// Calls that were granted will not be made.
    pub(super) fn give_back(&mut self, calls: usize) {
        self.granted = self.granted.saturating_sub(calls);
    }

    pub(super) fn leave(&mut self, place: Place) {
        self.waiting.retain(|(waiting, _)| *waiting != place);
    }

    /// How many calls those wait for who are served first.
    fn ahead_of(&self, place: Place) -> usize {
        self.waiting.iter().filter(|(waiting, _)| *waiting < place).map(|(_, calls)| calls).sum()
    }

    /// No call begins before that.
    pub(super) fn close(&mut self, until: Duration) {
        self.closed_until = self.closed_until.max(until);
    }

    fn check_open(&self, now: Duration) -> Result<(), Refusal> {
        let wait = self.closed_until.saturating_sub(now);
        if wait.is_zero() { Ok(()) } else { Err(Refusal::Closed(wait)) }
    }

    fn forget(&mut self, now: Duration) {
        while self.begun.front().is_some_and(|&oldest| oldest + self.window <= now) {
            self.begun.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
