//! What Permit.io is still to be told: a queue with one place for each user, ordered by when things happened.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::versions::{Key, Versions};
use crate::permit::PermitUser;

/// How often something is tried that goes wrong in passing. With the longest pause, for an hour about.
const MAX_TRIES: u32 = 60;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is to become of a user or a membership.
#[derive(Clone, PartialEq)]
pub(super) enum Wish {
    Sync(PermitUser),
    Delete,
    Join,
    Leave,
}

/// A wish, when it came up by the issuer's clock, and the name of the event that it came with.
#[derive(Clone)]
pub(super) struct Stated {
    pub(super) wish: Wish,
    pub(super) at: Duration,
    pub(super) event: &'static str,
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
    /// Users with pending wishes whom nobody works for, by when they are due.
    ready: BTreeSet<(Duration, Box<str>)>,
    count: usize,
    most: usize,
    dropped: BTreeMap<&'static str, u64>,
    stale: u64,
}

/// What is pending for one user: by organization, and for the user as such (`None`, which sorts first).
#[derive(Default)]
struct Pending {
    wishes: BTreeMap<Option<Box<str>>, Stated>,
    is_worked_on: bool,
    tries: u32,
    due: Duration,
}

/// The wishes of one user, taken out to be fulfilled: nobody else works for this user meanwhile.
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
    pub(super) fn new(most: usize, most_versions: usize) -> Self {
        Self {
            versions: Versions::new(most_versions),
            pending: HashMap::new(),
            ready: BTreeSet::new(),
            count: 0,
            most,
            dropped: BTreeMap::new(),
            stale: 0,
        }
    }

    pub(super) fn state(&mut self, user: &str, organization: Option<&str>, stated: Stated, now: Duration) -> Taken {
        let key: Key = (user.into(), organization.map(Into::into));
        if !self.versions.is_news(&key, stated.at) {
            self.stale += 1;
            return Taken::Stale;
        }
        let deletes = stated.wish == Wish::Delete;
        if deletes {
            // It stays true even if there is no room for the wish.
            self.versions.record(key.clone(), stated.at, true);
            if let Some(pending) = self.pending.get_mut(user) {
                self.count -= pending.wishes.len();
                pending.wishes.clear();
            }
        }
        let replaces = self.pending.get(user).is_some_and(|pending| pending.wishes.contains_key(&key.1));
        if self.count >= self.most && !replaces {
            self.drop_one(stated.event);
            return Taken::Dropped;
        }
        if !deletes {
            self.versions.record(key.clone(), stated.at, false);
        }
        let pending = self.pending.entry(key.0).or_default();
        if pending.wishes.is_empty() && !pending.is_worked_on {
            self.ready.remove(&(pending.due, user.into()));
            (pending.tries, pending.due) = (0, now);
            self.ready.insert((now, user.into()));
        }
        self.count += usize::from(!replaces);
        pending.wishes.insert(key.1, stated);
        Taken::Queued
    }

    pub(super) fn drop_one(&mut self, event: &'static str) {
        *self.dropped.entry(event).or_default() += 1;
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

    /// The end of a job: how those wishes went that were tried. What was stated meanwhile stays.
    pub(super) fn land(&mut self, job: &Job, outcomes: &[Outcome], now: Duration) {
        let Some(pending) = self.pending.get_mut(&job.user) else { return };
        pending.is_worked_on = false;
        let mut pause = None;
        let mut given_up = Vec::new();
        for ((organization, stated), outcome) in job.wishes.iter().zip(outcomes) {
            let is_the_same = pending
                .wishes
                .get(organization)
                .is_some_and(|other| other.at == stated.at && other.wish == stated.wish);
            match outcome {
                Outcome::Later(after) if pending.tries < MAX_TRIES => {
                    pause = pause.max(Some(after.unwrap_or_default()));
                    continue;
                }
                Outcome::Done => {}
                Outcome::Later(_) | Outcome::Never => given_up.push(stated.event),
            }
            if is_the_same {
                pending.wishes.remove(organization);
                self.count -= 1;
            }
        }
        if let Some(asked_for) = pause {
            pending.tries += 1;
            let grown = Duration::from_secs(1_u64 << pending.tries.min(6)).min(LONGEST_PAUSE) / 2;
            pending.due = now + asked_for.clamp(grown, LONGEST_PAUSE);
        }
        if pending.wishes.is_empty() {
            self.pending.remove(&job.user);
        } else {
            self.ready.insert((pending.due, job.user.clone()));
        }
        for event in given_up {
            self.drop_one(event);
        }
    }

    pub(super) fn is_deleted(&self, user: &str) -> bool {
        self.versions.is_deleted(user)
    }

    pub(super) const fn pending(&self) -> usize {
        self.count
    }

    pub(super) const fn stale(&self) -> u64 {
        self.stale
    }

    pub(super) fn dropped(&self) -> Vec<(&'static str, u64)> {
        self.dropped.iter().map(|(event, count)| (*event, *count)).collect()
    }
}
