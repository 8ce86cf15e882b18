//! A bulkhead for each tenant at a place that several share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::bulkhead::Bulkhead;
use crate::lock::lock;

/// Beyond it, unused bulkheads are dropped.
const MANY: usize = 64;

/// On whose behalf something is asked.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) tenant: Tenant,
    pub(crate) subject: Arc<str>,
}

/// An issuer entry: by its identity, since another entry may have its names later, and by its `iss` where a test made it up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tenant {
    Entry(u64),
    MadeUp(Arc<str>),
}

/// A [`Bulkhead`] for each tenant, and one for what belongs to no tenant.
pub(crate) struct Lanes {
    slots: usize,
    queue: usize,
    each: Mutex<HashMap<Option<Tenant>, Arc<Bulkhead>>>,
}

impl Lanes {
    pub(crate) fn new(slots: usize, queue: usize) -> Self {
        Self { slots, queue, each: Mutex::default() }
    }

    /// How many wait, all tenants together.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.each).values().map(|bulkhead| bulkhead.load().1).sum()
    }

    pub(crate) fn of(&self, lane: Option<&Lane>) -> Arc<Bulkhead> {
        let mut each = lock(&self.each);
        if each.len() > MANY {
            each.retain(|_, bulkhead| Arc::strong_count(bulkhead) > 1);
        }
        let tenant = lane.map(|lane| lane.tenant.clone());
        each.entry(tenant).or_insert_with(|| Arc::new(Bulkhead::new(self.slots, self.queue))).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(tenant: &str) -> Lane {
        Lane { tenant: Tenant::MadeUp(tenant.into()), subject: "u".into() }
    }

    #[test]
    fn tenant_that_fills_its_bulkhead_does_not_fill_anothers() {
        let lanes = Lanes::new(1, 0);
        let first = lanes.of(Some(&lane("a"))).try_enter(None);
        assert!(first.is_some());
        assert!(lanes.of(Some(&lane("a"))).try_enter(None).is_none());
        assert!(lanes.of(Some(&lane("b"))).try_enter(None).is_some());
        assert!(lanes.of(None).try_enter(None).is_some());
    }

    #[test]
    fn entry_that_is_added_again_does_not_share_the_bulkhead_of_the_removed_one() {
        let lanes = Lanes::new(1, 0);
        let lane = |id| Lane { tenant: Tenant::Entry(id), subject: "u".into() };
        let (removed, added) = (1, 2);
        let slot = lanes.of(Some(&lane(removed))).try_enter(None);
        assert!(slot.is_some() && lanes.of(Some(&lane(removed))).try_enter(None).is_none());
        assert!(lanes.of(Some(&lane(added))).try_enter(None).is_some());
    }

    #[test]
    fn bulkheads_in_use_are_not_forgotten() {
        let lanes = Lanes::new(1, 0);
        let slot = lanes.of(Some(&lane("kept"))).try_enter(None).unwrap();
        for tenant in 0..1000 {
            lanes.of(Some(&lane(&tenant.to_string())));
        }
        assert!(lanes.each.lock().unwrap().len() <= MANY + 2);
        assert!(lanes.of(Some(&lane("kept"))).try_enter(None).is_none());
        drop(slot);
        assert!(lanes.of(Some(&lane("kept"))).try_enter(None).is_some());
    }
}
