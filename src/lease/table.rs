//! The leases of one server, each in a list for everything that it is found by.

use std::collections::HashMap;
use std::sync::Arc;

use super::topic::Topic;
use super::watch::Watch;
use crate::token::IssuerId;

/// No slot, and no chain.
const NONE: u32 = u32::MAX;

/// One lease, and no other one that ever had its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LeaseId {
    slot: u32,
    turn: u32,
}

/// To add and to remove a lease costs as much as it has topics; to find those of a topic, as much as there are.
#[derive(Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    chains: Vec<Chain>,
    free_chains: Vec<u32>,
    by_topic: HashMap<Topic, u32>,
}

struct Slot {
    turn: u32,
    /// When its token ends, in milliseconds since the Unix epoch.
    ends_at: u64,
    watch: Option<Arc<dyn Watch>>,
    links: Box<[Link]>,
}

/// A place in a list.
struct Link {
    chain: u32,
    before: u32,
    after: u32,
}

struct Chain {
    topic: Option<Topic>,
    first: u32,
    count: u32,
}

pub(super) type Found = (LeaseId, Arc<dyn Watch>);

impl Table {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, watch: Arc<dyn Watch>, topics: &[Topic], ends_at: u64) -> LeaseId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { turn: 0, ends_at: 0, watch: None, links: Box::default() });
            // The number of leases is bounded far below.
            u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
        });
        if let Some(held) = self.slots.get_mut(slot as usize) {
            (held.watch, held.ends_at) = (Some(watch), ends_at);
        }
        self.link(slot, topics);
        LeaseId { slot, turn: self.slots.get(slot as usize).map_or(0, |held| held.turn) }
    }

    /// What was held, to be dropped where no lock is.
    pub(super) fn remove(&mut self, id: LeaseId) -> Option<Arc<dyn Watch>> {
        self.slot(id)?;
        self.unlink(id.slot);
        let held = self.slots.get_mut(id.slot as usize)?;
        held.turn = held.turn.wrapping_add(1);
        self.free.push(id.slot);
        held.watch.take()
    }

    /// Puts a lease under other topics. `false` if it is gone.
    pub(super) fn relink(&mut self, id: LeaseId, topics: &[Topic], ends_at: u64) -> bool {
        if self.slot(id).is_none() {
            return false;
        }
        self.unlink(id.slot);
        self.link(id.slot, topics);
        if let Some(held) = self.slots.get_mut(id.slot as usize) {
            held.ends_at = ends_at;
        }
        true
    }

    pub(super) fn get(&self, id: LeaseId) -> Option<Arc<dyn Watch>> {
        self.slot(id)?.watch.clone()
    }

    pub(super) fn ends_at(&self, id: LeaseId) -> Option<u64> {
        self.slot(id).map(|slot| slot.ends_at)
    }

    pub(super) fn count(&self, topic: &Topic) -> usize {
        let chain = self.by_topic.get(topic).and_then(|chain| self.chains.get(*chain as usize));
        chain.map_or(0, |chain| chain.count as usize)
    }

    /// All of one topic.
    pub(super) fn of(&self, topic: &Topic) -> Vec<Found> {
        let Some(&chain) = self.by_topic.get(topic) else { return Vec::new() };
        let mut found = Vec::with_capacity(self.count(topic));
        let mut at = self.chains.get(chain as usize).map_or(NONE, |chain| chain.first);
        while let Some(slot) = self.slots.get(at as usize) {
            found.extend(slot.watch.clone().map(|watch| (LeaseId { slot: at, turn: slot.turn }, watch)));
            at = slot.links.iter().find(|link| link.chain == chain).map_or(NONE, |link| link.after);
        }
        found
    }

    /// The groups that a lease is in.
    pub(super) fn groups_of(&self, id: LeaseId) -> impl Iterator<Item = u32> {
        let links = self.slot(id).map(|slot| &slot.links[..]).unwrap_or_default();
        links.iter().filter_map(|link| self.chains.get(link.chain as usize)?.topic.as_ref()?.group())
    }

    /// Whether it is decided anew after an edit.
    pub(super) fn is_deciding(&self, id: LeaseId) -> bool {
        let links = self.slot(id).map(|slot| &slot.links[..]).unwrap_or_default();
        let topic = |link: &Link| self.chains.get(link.chain as usize)?.topic.as_ref();
        links.iter().filter_map(topic).any(|topic| matches!(topic, Topic::Deciding(_)))
    }

    /// The issuer entry that a lease rests on; `None` without a token.
    pub(super) fn entry_of(&self, id: LeaseId) -> Option<IssuerId> {
        let links = self.slot(id).map(|slot| &slot.links[..]).unwrap_or_default();
        let topic = |link: &Link| self.chains.get(link.chain as usize)?.topic.as_ref();
        links.iter().filter_map(topic).find_map(|topic| match topic {
            Topic::Entry(issuer) => Some(*issuer),
            _ => None,
        })
    }

    /// One lease for each key.
    pub(super) fn one_of_each_key(&self) -> Vec<(Topic, Found)> {
        let keys = self.by_topic.iter().filter(|(topic, _)| matches!(topic, Topic::Key(_)));
        let first = keys.filter_map(|(topic, chain)| {
            let slot = self.chains.get(*chain as usize)?.first;
            let held = self.slots.get(slot as usize)?;
            Some((topic.clone(), (LeaseId { slot, turn: held.turn }, held.watch.clone()?)))
        });
        first.collect()
    }

    /// Any one.
    pub(super) fn any(&self) -> Option<Found> {
        self.slots
            .iter()
            .zip(0_u32..)
            .find_map(|(held, slot)| Some((LeaseId { slot, turn: held.turn }, held.watch.clone()?)))
    }

    pub(super) fn all(&self) -> Vec<Found> {
        let all = self.slots.iter().zip(0_u32..);
        all.filter_map(|(held, slot)| Some((LeaseId { slot, turn: held.turn }, held.watch.clone()?))).collect()
    }

    fn slot(&self, id: LeaseId) -> Option<&Slot> {
        self.slots.get(id.slot as usize).filter(|slot| slot.turn == id.turn && slot.watch.is_some())
    }

    fn link(&mut self, slot: u32, topics: &[Topic]) {
        let mut links = Vec::with_capacity(topics.len());
        for topic in topics {
            let chain = self.chain(topic);
            let Some(held) = self.chains.get_mut(chain as usize) else { continue };
            let after = std::mem::replace(&mut held.first, slot);
            held.count += 1;
            links.push(Link { chain, before: NONE, after });
            self.set_link(after, chain, |link| link.before = slot);
        }
        if let Some(held) = self.slots.get_mut(slot as usize) {
            held.links = links.into();
        }
    }

    fn unlink(&mut self, slot: u32) {
        let links = self.slots.get_mut(slot as usize).map(|held| std::mem::take(&mut held.links)).unwrap_or_default();
        for Link { chain, before, after } in links {
            self.set_link(before, chain, |link| link.after = after);
            self.set_link(after, chain, |link| link.before = before);
            let Some(held) = self.chains.get_mut(chain as usize) else { continue };
            held.count = held.count.saturating_sub(1);
            if held.first == slot {
                held.first = after;
            }
            if held.count == 0
                && let Some(topic) = held.topic.take()
            {
                self.by_topic.remove(&topic);
                self.free_chains.push(chain);
            }
        }
    }

    fn set_link(&mut self, slot: u32, chain: u32, set: impl FnOnce(&mut Link)) {
        let held = self.slots.get_mut(slot as usize);
        if let Some(link) = held.and_then(|held| held.links.iter_mut().find(|link| link.chain == chain)) {
            set(link);
        }
    }

    fn chain(&mut self, topic: &Topic) -> u32 {
        if let Some(&chain) = self.by_topic.get(topic) {
            return chain;
        }
        let made = Chain { topic: Some(topic.clone()), first: NONE, count: 0 };
        let chain = if let Some(free) = self.free_chains.pop() {
            if let Some(held) = self.chains.get_mut(free as usize) {
                *held = made;
            }
            free
        } else {
            self.chains.push(made);
            u32::try_from(self.chains.len() - 1).unwrap_or(NONE)
        };
        self.by_topic.insert(topic.clone(), chain);
        chain
    }
}
