//! Who is asked about whom, and how often: leases whose permissions are one question are one group.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::issuer::keys::jitter;
use crate::permissions::{PermissionQuery, Source, SourceId};
use crate::time::milliseconds;
use crate::token::IssuerId;

/// No question is asked more often than for this bound.
const SHORTEST_BOUND: Duration = Duration::from_secs(1);
/// No bound is longer: by then, at the latest, the source is asked.
const LONGEST_BOUND: Duration = Duration::from_secs(24 * 60 * 60);
/// A loss is noticed within this time where a route says `live`.
pub(super) const LIVE_BOUND: Duration = Duration::from_secs(5);
/// A loss is to be noticed within the bound: a question begins when this part of it has passed, and may take the rest.
const EARLIEST: f64 = 0.6;
const LATEST: f64 = 0.8;

/// A question, and how soon a change of its answer must be noticed.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) issuer: IssuerId,
    pub(super) source: Source,
    pub(super) query: PermissionQuery,
    pub(super) bound: Duration,
    /// How many questions a minute the source takes: asked for without a lock.
    pub(super) limit: Option<u32>,
    /// As much may be allowed where the source is not asked often enough for the bound.
    pub(super) most: Duration,
}

impl Wanted {
    /// `most`: what the lease's settings allow.
    pub(super) fn new(
        issuer: IssuerId,
        source: Source,
        query: PermissionQuery,
        bound: Duration,
        most: Option<Duration>,
    ) -> Self {
        let (bound, limit) = (bound.clamp(SHORTEST_BOUND, LONGEST_BOUND), source.ask.lookups_per_minute());
        Self { issuer, source, query, bound, limit, most: most.unwrap_or(bound).max(bound) }
    }
}

pub(super) struct Group {
    pub(super) wanted: Wanted,
    /// When it is asked next, in milliseconds of the monotonic clock.
    pub(super) next: u64,
    pub(super) is_asked: bool,
    /// Something changed while it was asked.
    pub(super) is_stale: bool,
}

/// The groups of one server.
#[derive(Default)]
pub(super) struct Groups {
    all: Vec<Option<Group>>,
    free: Vec<u32>,
    by_query: HashMap<(SourceId, PermissionQuery), u32>,
    by_entry: HashMap<IssuerId, HashSet<u32>>,
    /// Questions in a thousand seconds, for each source.
    spent: HashMap<SourceId, u64>,
}

/// The source is not asked often enough.
pub(super) struct Beyond;

impl Groups {
    /// Puts a question into its group, and makes one if there is none. Returns the group, the bound that it keeps, and when it
    /// is asked, if that is new.
    pub(super) fn join(
        &mut self,
        wanted: &Wanted,
        began: Option<Duration>,
        now: Duration,
    ) -> Result<(u32, Duration, Option<u64>), Beyond> {
        let key = (wanted.source.id, wanted.query.clone());
        let known = self.by_query.get(&key).copied();
        let present = known.and_then(|number| self.get(number)).map(|group| group.wanted.bound);
        if let (Some(number), Some(present)) = (known, present)
            && present <= wanted.bound
        {
            return Ok((number, present, None));
        }
        let spent = self.spent.get(&wanted.source.id).copied().unwrap_or(0) - present.map_or(0, rate);
        let bound = match wanted.limit {
            None => wanted.bound,
            Some(most) => affordable(most, spent, wanted.bound),
        };
        let bound = present.map_or(bound, |present| bound.min(present));
        if bound > wanted.most {
            return Err(Beyond);
        }
        self.spent.insert(wanted.source.id, spent + rate(bound));
        let wanted = Wanted { bound, ..wanted.clone() };
        if let Some(number) = known {
            if let Some(group) = self.get_mut(number) {
                group.next = group.next.min(next(now, bound));
                group.wanted = wanted;
            }
            return Ok((number, bound, self.get(number).map(|group| group.next)));
        }
        let next = began.map_or(now, |began| Duration::from_millis(next(began, bound)).max(now));
        let issuer = wanted.issuer;
        let at = milliseconds(next);
        let group = Group { wanted, next: at, is_asked: false, is_stale: false };
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.all.get_mut(number as usize) {
            *place = Some(group);
        }
        self.by_query.insert(key, number);
        self.by_entry.entry(issuer).or_default().insert(number);
        Ok((number, bound, Some(at)))
    }

    /// To be called once the group has no lease.
    pub(super) fn remove(&mut self, number: u32) {
        let Some(group) = self.all.get_mut(number as usize).and_then(Option::take) else { return };
        self.free.push(number);
        let Wanted { issuer, source, query, bound, .. } = group.wanted;
        if let Entry::Occupied(mut numbers) = self.by_entry.entry(issuer) {
            numbers.get_mut().remove(&number);
            if numbers.get().is_empty() {
                numbers.remove();
            }
        }
        if let Entry::Occupied(mut spent) = self.spent.entry(source.id) {
            *spent.get_mut() = spent.get().saturating_sub(rate(bound));
            if *spent.get() == 0 {
                spent.remove();
            }
        }
        self.by_query.remove(&(source.id, query));
    }

    pub(super) fn get(&self, number: u32) -> Option<&Group> {
        self.all.get(number as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Group> {
        self.all.get_mut(number as usize)?.as_mut()
    }

    pub(super) fn of_entry(&self, issuer: IssuerId) -> Vec<u32> {
        self.by_entry.get(&issuer).into_iter().flatten().copied().collect()
    }

    /// All of them, with when they are asked next.
    pub(super) fn all(&mut self) -> impl Iterator<Item = (u32, &mut Group)> {
        (0_u32..).zip(&mut self.all).filter_map(|(number, group)| Some((number, group.as_mut()?)))
    }

    pub(super) fn len(&self) -> usize {
        self.by_query.len()
    }
}

/// When a group is asked next that was asked at this moment.
pub(super) fn next(asked: Duration, bound: Duration) -> u64 {
    milliseconds(asked + bound.mul_f64(EARLIEST + (LATEST - EARLIEST) * jitter()))
}

/// Questions in a thousand seconds.
fn rate(bound: Duration) -> u64 {
    // In the middle of what the next moment is chosen from.
    let interval = bound.as_millis() * 7 / 10;
    u64::try_from(1_000_000 / interval.max(1)).unwrap_or(u64::MAX)
}

/// The shortest bound that is not shorter than this, and that the rest of the limit suffices for.
fn affordable(most: u32, spent: u64, bound: Duration) -> Duration {
    let left = (u64::from(most) * 1000 / 60).saturating_sub(spent);
    if rate(bound) <= left {
        return bound;
    }
    // A little more, for what rounding takes away.
    let least = (1_000_000_u64 * 10 / 7).checked_div(left);
    least.map_or(LONGEST_BOUND, |least| Duration::from_millis(least + 2).min(LONGEST_BOUND))
}
