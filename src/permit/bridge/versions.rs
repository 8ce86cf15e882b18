//! What is the latest that was heard about a user or a membership.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// A user, or a user's membership in an organization.
pub(super) type Key = (Box<str>, Option<Box<str>>);

/// When things were said last, by the issuer's clock. Bounded: what was said longest ago is forgotten first, and then
/// nothing counts any more that is as old. So a deleted user stays deleted, however old the event that is replayed.
pub(super) struct Versions {
    known: HashMap<Key, Version>,
    oldest: BTreeSet<(Duration, Key)>,
    floor: Option<Duration>,
    most: usize,
}

#[derive(Clone, Copy)]
struct Version {
    at: Duration,
    said: Said,
}

/// What was said about a user or a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is there.
    Given,
    /// It is gone.
    Taken,
    /// The user is gone for good.
    Deleted,
}

impl Versions {
    pub(super) fn new(most: usize) -> Self {
        Self { known: HashMap::new(), oldest: BTreeSet::new(), floor: None, most }
    }

    /// Whether something said at `at` is news. Of the same moment, what takes away counts. What takes away from a deleted user
    /// is news as well: the deletion may have been lost.
    pub(super) fn is_news(&self, key: &Key, at: Duration, takes: bool) -> bool {
        let is_later = |known: &Version| at > known.at || at == known.at && (takes || known.said == Said::Given);
        self.floor.is_none_or(|floor| at > floor)
            && (takes || !self.is_deleted(&key.0))
            && self.known.get(key).is_none_or(is_later)
    }

    pub(super) fn is_deleted(&self, user: &str) -> bool {
        self.known.get(&(user.into(), None)).is_some_and(|known| known.said == Said::Deleted)
    }

    pub(super) fn record(&mut self, key: Key, at: Duration, said: Said) {
        if let Some(before) = self.known.get(&key) {
            self.oldest.remove(&(before.at, key.clone()));
        }
        self.oldest.insert((at, key.clone()));
        self.known.insert(key, Version { at, said });
        while self.known.len() > self.most {
            let Some((at, key)) = self.oldest.pop_first() else { break };
            self.known.remove(&key);
            self.floor = self.floor.max(Some(at));
        }
    }

    /// Everything said before `at` is known from a list that holds everything: nothing of it is news.
    pub(super) fn settle_before(&mut self, at: Duration) {
        self.floor = self.floor.max(at.checked_sub(Duration::from_nanos(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: &str) -> Key {
        (user.into(), None)
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_latest_counts() {
        let mut versions = Versions::new(10);
        versions.record(key("a"), at(5), Said::Given);
        assert_eq!([4, 5, 6].map(|seconds| versions.is_news(&key("a"), at(seconds), false)), [false, true, true]);
        assert!(versions.is_news(&("a".into(), Some("org".into())), at(1), false), "a membership is another thing");
        versions.record(key("a"), at(6), Said::Deleted);
        let membership: Key = ("a".into(), Some("org".into()));
        assert!(!versions.is_news(&key("a"), at(100), false) && !versions.is_news(&membership, at(100), false));
        assert!(versions.is_news(&key("a"), at(6), true), "a deletion that was lost is said again");
        assert!(!versions.is_news(&key("a"), at(5), true));
    }

    #[test]
    fn of_the_same_moment_the_removal_counts() {
        let mut versions = Versions::new(10);
        versions.record(key("a"), at(5), Said::Given);
        assert!(versions.is_news(&key("a"), at(5), true));
        versions.record(key("a"), at(5), Said::Taken);
        assert!(!versions.is_news(&key("a"), at(5), false));
        assert!(versions.is_news(&key("a"), at(6), false));
    }

    #[test]
    fn what_is_forgotten_is_not_believed_again() {
        let mut versions = Versions::new(2);
        versions.record(key("gone"), at(5), Said::Deleted);
        versions.record(key("b"), at(6), Said::Given);
        versions.record(key("c"), at(7), Said::Given);
        assert!(!versions.is_deleted("gone"));
        assert_eq!([4, 5, 6].map(|seconds| versions.is_news(&key("gone"), at(seconds), false)), [false, false, true]);
        for seconds in 8..100 {
            versions.record(key("c"), at(seconds), Said::Given);
        }
        assert_eq!((versions.known.len(), versions.oldest.len()), (2, 2));
    }

    #[test]
    fn what_a_whole_list_holds_is_no_news() {
        let mut versions = Versions::new(10);
        versions.settle_before(at(5));
        assert_eq!([4, 5].map(|seconds| versions.is_news(&key("a"), at(seconds), true)), [false, true]);
        versions.settle_before(at(3));
        versions.settle_before(Duration::ZERO);
        assert!(!versions.is_news(&key("a"), at(4), true), "it never falls");
    }
}
