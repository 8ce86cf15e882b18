//! What a server knows, as logs see it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use super::about::About;
use super::apply::Changes;
use super::change::Change;
use super::fact::{Fact, Facts};
use super::journal::Known;
use crate::time::Now;

impl Known for Changes {
    /// What was edited is not known any more: everything may have been.
    fn everything(&self) -> Vec<Change> {
        let now = self.clock.now();
        let at = SystemTime::UNIX_EPOCH + now.unix;
        let mut all = Vec::new();
        for (iss, id) in self.issuers() {
            all.push(Change::edited(iss.clone(), About::Everything, at));
            let facts = self.revocations.facts(id, now);
            all.extend(facts.into_iter().map(|(key, rank)| key.change(iss.clone(), rank)));
        }
        all
    }
}

/// What a server knows, for its log.
struct Held(Weak<Changes>);

impl Changes {
    pub(super) fn held(self: &Arc<Self>) -> Arc<dyn Facts> {
        Arc::new(Held(Arc::downgrade(self)))
    }
}

impl Facts for Held {
    fn each(&self, look: &mut dyn FnMut(&Fact)) {
        let Some(server) = self.0.upgrade() else { return };
        let now = server.clock.now();
        for (iss, id) in server.issuers() {
            for (key, rank) in server.revocations.facts(id, now) {
                look(&Fact::new(iss.clone(), key, rank));
            }
        }
    }

    fn now(&self) -> Now {
        // Without a server, it is not asked for.
        self.0.upgrade().map_or(Now::new(Duration::ZERO, Duration::ZERO), |server| server.clock.now())
    }

    fn token_life(&self) -> Duration {
        self.0.upgrade().map_or(Duration::MAX, |server| server.revocations.token_life())
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.0.upgrade().map_or_else(Vec::new, |server| server.issuers().into_iter().map(|(iss, _)| iss).collect())
    }

    fn lost(&self) -> Option<SystemTime> {
        self.0.upgrade()?.lost()
    }

    fn has_kept(&self) -> bool {
        self.0.upgrade().is_some_and(|server| server.following.has_kept.load(Ordering::Acquire))
    }
}
