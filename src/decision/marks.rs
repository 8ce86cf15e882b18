//! Since when answers about a subject or an organization count.

use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasher as _, BuildHasherDefault};
use std::sync::atomic::{AtomicU64, Ordering};

use super::DecisionRequest;

/// How many marks there are. Two names that share one are forgotten together, which costs a call and nothing else.
const MARKS: usize = 4096;

/// A point in the order of calls and invalidations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Generation(u64);

/// A list of a fixed size, however many names are forgotten. Who makes two names share a mark has gained nothing by it.
pub(super) struct Marks {
    latest: AtomicU64,
    all: AtomicU64,
    named: Box<[AtomicU64]>,
    hasher: BuildHasherDefault<DefaultHasher>,
}

#[derive(Clone, Copy, Hash)]
pub(super) enum About {
    Subject,
    Organization,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self {
            latest: AtomicU64::new(0),
            all: AtomicU64::new(0),
            named: std::iter::repeat_with(|| AtomicU64::new(0)).take(MARKS).collect(),
            hasher: BuildHasherDefault::new(),
        }
    }

    /// What a call that begins now belongs to.
    pub(super) fn now(&self) -> Generation {
        Generation(self.latest.load(Ordering::SeqCst))
    }

    /// Answers of calls that have begun by now count no longer.
    pub(super) fn forget_all(&self) {
        let next = self.next();
        self.all.fetch_max(next, Ordering::SeqCst);
    }

    /// As [`forget_all`](Self::forget_all), for answers about one subject or organization.
    pub(super) fn forget(&self, about: About, issuer_name: &str, id: &str) {
        let next = self.next();
        if let Some(mark) = self.mark(about, issuer_name, id) {
            mark.fetch_max(next, Ordering::SeqCst);
        }
    }

    /// Whether the answer of a call that began then counts still.
    pub(super) fn counts(&self, request: &DecisionRequest, begun: Generation) -> bool {
        let issuer = request.issuer_name();
        let subject = self.mark(About::Subject, issuer, request.subject_id());
        let organization = request.organization_id().and_then(|id| self.mark(About::Organization, issuer, id));
        let marks = [Some(&self.all), subject, organization];
        marks.iter().flatten().all(|mark| mark.load(Ordering::SeqCst) <= begun.0)
    }

    fn next(&self) -> u64 {
        self.latest.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn mark(&self, about: About, issuer_name: &str, id: &str) -> Option<&AtomicU64> {
        let hash = self.hasher.hash_one((about, issuer_name, id));
        self.named.get(usize::try_from(hash % MARKS as u64).unwrap_or(0))
    }
}
