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
    deleted: bool,
}

impl Versions {
    pub(super) fn new(most: usize) -> Self {
        Self { known: HashMap::new(), oldest: BTreeSet::new(), floor: None, most }
    }

    /// Whether something said at `at` is news.
    pub(super) fn is_news(&self, key: &Key, at: Duration) -> bool {
        self.floor.is_none_or(|floor| at > floor)
            && !self.is_deleted(&key.0)
            && self.known.get(key).is_none_or(|known| at >= known.at)
    }

    pub(super) fn is_deleted(&self, user: &str) -> bool {
        self.known.get(&(user.into(), None)).is_some_and(|known| known.deleted)
    }

    pub(super) fn record(&mut self, key: Key, at: Duration, deleted: bool) {
        if let Some(before) = self.known.get(&key) {
            self.oldest.remove(&(before.at, key.clone()));
        }
        self.oldest.insert((at, key.clone()));
        self.known.insert(key, Version { at, deleted });
        while self.known.len() > self.most {
            let Some((at, key)) = self.oldest.pop_first() else { break };
            self.known.remove(&key);
            self.floor = self.floor.max(Some(at));
        }
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
        versions.record(key("a"), at(5), false);
        assert_eq!([4, 5, 6].map(|seconds| versions.is_news(&key("a"), at(seconds))), [false, true, true]);
        assert!(versions.is_news(&("a".into(), Some("org".into())), at(1)), "a membership is another thing");
        versions.record(key("a"), at(6), true);
        assert!(!versions.is_news(&key("a"), at(100)) && !versions.is_news(&("a".into(), Some("org".into())), at(100)));
    }

    #[test]
    fn what_is_forgotten_is_not_believed_again() {
        let mut versions = Versions::new(2);
        versions.record(key("gone"), at(5), true);
        versions.record(key("b"), at(6), false);
        versions.record(key("c"), at(7), false);
        assert!(!versions.is_deleted("gone"));
        assert_eq!([4, 5, 6].map(|seconds| versions.is_news(&key("gone"), at(seconds))), [false, false, true]);
        for seconds in 8..100 {
            versions.record(key("c"), at(seconds), false);
        }
        assert_eq!((versions.known.len(), versions.oldest.len()), (2, 2));
    }
}
