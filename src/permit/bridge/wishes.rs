//! What Permit.io is still to be told: a queue with one place for each user, ordered by when things happened.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::unsettled::{Carried, Unsettled, note};
use super::versions::{Key, Said, Versions};
use crate::permit::PermitUser;

/// How often a registration is tried that goes wrong in passing. With the longest pause, for an hour about. A removal is
/// tried until it is done.
const MAX_TRIES: u32 = 60;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What a difference that [`PermitBridge::reconcile`](super::PermitBridge::reconcile) found counts as, beside names of events.
pub(super) const RECONCILE: &str = "reconcile";

/// What is to become of a user or a membership.
#[derive(Clone, PartialEq)]
pub(super) enum Wish {
    Sync(PermitUser),
    Delete,
    Join,
    Leave,
}

impl Wish {
    pub(super) const fn takes(&self) -> bool {
        matches!(self, Self::Delete | Self::Leave)
    }
}

/// A wish, when it came up by the issuer's clock, and the name of the event that it came with.
#[derive(Clone)]
pub(super) struct Stated {
    pub(super) wish: Wish,
    pub(super) at: Duration,
    pub(super) event: &'static str,
    tries: u32,
}

impl Stated {
    pub(super) const fn new(wish: Wish, at: Duration, event: &'static str) -> Self {
        Self { wish, at, event, tries: 0 }
    }

    fn is(&self, other: &Self) -> bool {
        self.at == other.at && self.wish == other.wish
    }
}

/// What became of a wish when it was stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Queued,
    Stale,
    Dropped,
}

pub(super) struct Wishes {
    versions: Versions,
    pending: HashMap<Box<str>, Pending>,
    carried: Carried,
    /// Users with pending wishes that no task works on, by when they are due.
    ready: BTreeSet<(Duration, Box<str>)>,
    /// Anybody can register: registrations and removals have a room each.
    registrations: Room,
    removals: Room,
    dropped: BTreeMap<&'static str, u64>,
    lost_removals: u64,
    stale: u64,
}

struct Room {
    taken: usize,
    size: usize,
}

/// What is pending for one user: by organization, and for the user as such (`None`, which sorts first).
#[derive(Default)]
struct Pending {
    wishes: BTreeMap<Option<Box<str>>, Stated>,
    is_worked_on: bool,
    due: Duration,
}

/// The wishes of one user, taken out to be fulfilled: no other task works for this user meanwhile.
pub(super) struct Job {
    pub(super) user: Box<str>,
    pub(super) wishes: Vec<(Option<Box<str>>, Stated)>,
}

/// How one wish went.
pub(super) enum Outcome {
    Done,
    Later(Option<Duration>),
    Never,
}

impl Wishes {
    pub(super) fn new(registrations: usize, removals: usize, versions: usize) -> Self {
        Self {
            versions: Versions::new(versions),
            pending: HashMap::new(),
            carried: Carried::default(),
            ready: BTreeSet::new(),
            registrations: Room { taken: 0, size: registrations },
            removals: Room { taken: 0, size: removals },
            dropped: BTreeMap::new(),
            lost_removals: 0,
            stale: 0,
        }
    }

    pub(super) fn state(&mut self, user: &str, organization: Option<&str>, stated: Stated, now: Duration) -> Taken {
        let key: Key = (user.into(), organization.map(Into::into));
        let takes = stated.wish.takes();
        if !self.versions.is_news(&key, stated.at, takes) {
            self.stale += 1;
            return Taken::Stale;
        }
        let mut cleared = BTreeMap::new();
        if let (Wish::Delete, Some(pending)) = (&stated.wish, self.pending.get_mut(user)) {
            cleared = std::mem::take(&mut pending.wishes);
        }
        for before in cleared.values() {
            self.room(before.wish.takes()).taken -= 1;
        }
        if takes {
            // It stays true even if there is no room for the wish.
            self.record(&key, &stated);
        }
        let replaced =
            self.pending.get(user).and_then(|pending| pending.wishes.get(&key.1)).map(|old| old.wish.takes());
        let room = self.room(takes);
        let fits = room.taken < room.size || replaced.is_some_and(|old| takes || !old) || !cleared.is_empty();
        if !fits {
            self.lose(stated.event, takes);
            return Taken::Dropped;
        }
        room.taken += 1;
        if let Some(replaced) = replaced {
            self.room(replaced).taken -= 1;
        }
        if !takes {
            self.record(&key, &stated);
        }
        let pending = self.pending.entry(key.0).or_default();
        if pending.wishes.is_empty() && !pending.is_worked_on {
            self.ready.remove(&(pending.due, user.into()));
            pending.due = now;
            self.ready.insert((now, user.into()));
        }
        pending.wishes.insert(key.1, stated);
        Taken::Queued
    }

    /// A list is not remembered user by user: [`settle_before`](Self::settle_before) covers it. A user who is missing in
    /// it is not deleted for good: another replica may have heard of a new user.
    fn record(&mut self, key: &Key, stated: &Stated) {
        let said = match stated.wish {
            _ if stated.event == RECONCILE => return,
            Wish::Sync(_) | Wish::Join => Said::Given,
            Wish::Leave => Said::Taken,
            Wish::Delete => Said::Deleted,
        };
        self.versions.record(key.clone(), stated.at, said);
    }

    /// A registration that is not believed: it arrives too late, or is dated too far ahead.
    pub(super) fn refuse(&mut self, user: &str, organization: Option<&str>, stated: &Stated) -> Taken {
        if !self.versions.is_news(&(user.into(), organization.map(Into::into)), stated.at, stated.wish.takes()) {
            self.stale += 1;
            return Taken::Stale;
        }
        self.lose(stated.event, stated.wish.takes());
        Taken::Dropped
    }

    /// Begins to compare Permit.io's users with a list that was read at that time, until [`end`](Self::end_comparison).
    pub(super) fn begin_comparison(&mut self, at: Duration) {
        self.carried.begin(at);
    }

    pub(super) fn end_comparison(&mut self) {
        self.carried.end();
    }

    /// What events said before `at` is known from a list that holds everything. Returns the wishes from before that may yet
    /// be carried out, or were while Permit.io was asked. Users who are not in the list are no longer created.
    pub(super) fn settle_before(&mut self, at: Duration, is_listed: impl Fn(&str) -> bool) -> Unsettled {
        self.versions.settle_before(at);
        let mut unsettled = self.carried.out().clone();
        for (user, pending) in &mut self.pending {
            pending.wishes.retain(|organization, stated| {
                if stated.at >= at {
                    return true;
                }
                note(&mut unsettled, user, organization.as_deref(), &stated.wish);
                let is_kept = !matches!(stated.wish, Wish::Sync(_)) || is_listed(user);
                if !is_kept {
                    self.registrations.taken -= 1;
                    self.stale += 1;
                }
                is_kept
            });
        }
        unsettled
    }

    const fn room(&mut self, takes: bool) -> &mut Room {
        if takes { &mut self.removals } else { &mut self.registrations }
    }

    pub(super) fn lose(&mut self, event: &'static str, takes: bool) {
        *self.dropped.entry(event).or_default() += 1;
        self.lost_removals += u64::from(takes);
    }

    /// The wishes of a user whose time has come.
    pub(super) fn take(&mut self, now: Duration) -> Option<Job> {
        while self.ready.first().is_some_and(|(due, _)| *due <= now) {
            let (_, user) = self.ready.pop_first()?;
            let Some(pending) = self.pending.get_mut(&user) else { continue };
            if pending.wishes.is_empty() {
                self.pending.remove(&user);
                continue;
            }
            pending.is_worked_on = true;
            let wishes = pending.wishes.iter().map(|(organization, stated)| (organization.clone(), stated.clone()));
            return Some(Job { wishes: wishes.collect(), user });
        }
        None
    }

    /// Whether a wish of a job still stands: another may have taken its place meanwhile.
    pub(super) fn is_current(&self, job: &Job, at: usize) -> bool {
        let pending = self.pending.get(&job.user).zip(job.wishes.get(at));
        pending.is_some_and(|(pending, (organization, tried))| {
            pending.wishes.get(organization).is_some_and(|current| current.is(tried))
        })
    }

    /// The end of a job: how those wishes went that were tried. What was stated meanwhile stays. Returns the events of those
    /// that were given up.
    pub(super) fn land(&mut self, job: &Job, outcomes: &[Outcome], now: Duration) -> Vec<&'static str> {
        let Some(pending) = self.pending.get_mut(&job.user) else { return Vec::new() };
        pending.is_worked_on = false;
        let mut pause = None;
        let mut gone = Vec::new();
        for ((organization, tried), outcome) in job.wishes.iter().zip(outcomes) {
            self.carried.note(&job.user, organization.as_deref(), &tried.wish, tried.at);
            let tries = tried.tries + 1;
            if let Outcome::Later(after) = outcome {
                let grown = Duration::from_secs(1_u64 << tries.min(6)).min(LONGEST_PAUSE) / 2;
                pause = pause.max(Some(after.unwrap_or_default().clamp(grown, LONGEST_PAUSE)));
            }
            let Some(current) = pending.wishes.get_mut(organization) else { continue };
            if !current.is(tried) {
                continue;
            }
            let takes = tried.wish.takes();
            if matches!(outcome, Outcome::Later(_)) && (takes || tries <= MAX_TRIES) {
                current.tries = tries;
                continue;
            }
            pending.wishes.remove(organization);
            gone.push((tried.event, takes, !matches!(outcome, Outcome::Done)));
        }
        if let Some(pause) = pause {
            pending.due = now.saturating_add(pause);
        }
        if pending.wishes.is_empty() {
            self.pending.remove(&job.user);
        } else {
            self.ready.insert((pending.due, job.user.clone()));
        }
        let mut given_up = Vec::new();
        for (event, takes, is_lost) in gone {
            self.room(takes).taken -= 1;
            if is_lost {
                self.lose(event, takes);
                given_up.push(event);
            }
        }
        given_up
    }

    pub(super) fn is_deleted(&self, user: &str) -> bool {
        self.versions.is_deleted(user)
    }

    pub(super) const fn pending(&self) -> usize {
        self.registrations.taken + self.removals.taken
    }

    pub(super) const fn lost_removals(&self) -> u64 {
        self.lost_removals
    }

    pub(super) const fn stale(&self) -> u64 {
        self.stale
    }

    pub(super) fn dropped(&self) -> Vec<(&'static str, u64)> {
        self.dropped.iter().map(|(event, count)| (*event, *count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(wishes: &mut Wishes, user: &str, organization: Option<&str>, wish: Wish, at: u64) -> Taken {
        wishes.state(user, organization, Stated::new(wish, Duration::from_secs(at), "event"), Duration::ZERO)
    }

    #[test]
    fn each_room_has_an_end_and_what_is_replaced_leaves_its_own() {
        let mut wishes = Wishes::new(1, 2, 10);
        assert_eq!(state(&mut wishes, "a", Some("x"), Wish::Join, 1), Taken::Queued);
        assert_eq!(state(&mut wishes, "b", Some("x"), Wish::Join, 1), Taken::Dropped);
        assert_eq!(state(&mut wishes, "c", Some("x"), Wish::Leave, 1), Taken::Queued);
        assert_eq!(state(&mut wishes, "d", Some("x"), Wish::Leave, 1), Taken::Queued);
        assert_eq!(state(&mut wishes, "e", Some("x"), Wish::Leave, 1), Taken::Dropped);
        assert_eq!(wishes.lost_removals(), 1);
        assert_eq!(state(&mut wishes, "a", Some("x"), Wish::Leave, 2), Taken::Queued, "in the place of the membership");
        assert_eq!((wishes.registrations.taken, wishes.removals.taken), (0, 3));
        assert_eq!(state(&mut wishes, "d", Some("x"), Wish::Join, 2), Taken::Queued);
        assert_eq!(state(&mut wishes, "a", Some("x"), Wish::Join, 3), Taken::Dropped, "the removal stays");
        assert_eq!((wishes.registrations.taken, wishes.removals.taken), (1, 2));
        for user in ["a", "c", "d"] {
            assert_eq!(
                state(&mut wishes, user, None, Wish::Delete, 4),
                Taken::Queued,
                "in the place of all that it ends"
            );
        }
        assert_eq!((wishes.registrations.taken, wishes.removals.taken), (0, 3));
        while let Some(job) = wishes.take(Duration::ZERO) {
            let outcomes: Vec<_> = job.wishes.iter().map(|_| Outcome::Done).collect();
            wishes.land(&job, &outcomes, Duration::ZERO);
        }
        assert_eq!((wishes.pending(), wishes.pending.len(), wishes.ready.len()), (0, 0, 0));
    }

    #[test]
    fn what_was_replaced_while_it_was_tried_is_not_lost() {
        let mut wishes = Wishes::new(5, 5, 10);
        state(&mut wishes, "a", Some("x"), Wish::Join, 1);
        let job = wishes.take(Duration::ZERO).unwrap();
        state(&mut wishes, "a", Some("x"), Wish::Leave, 2);
        assert!(wishes.land(&job, &[Outcome::Never], Duration::ZERO).is_empty());
        assert_eq!((wishes.pending(), wishes.dropped()), (1, vec![]));
        let job = wishes.take(Duration::ZERO).unwrap();
        assert_eq!(wishes.land(&job, &[Outcome::Never], Duration::ZERO), ["event"]);
        assert_eq!((wishes.pending(), wishes.lost_removals()), (0, 1));
    }
}
