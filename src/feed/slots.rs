//! How many connections there are, in all and for each subject.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::token::{AccessToken, IssuerId};

type Key = (IssuerId, Arc<str>);

/// The connections of one feed.
pub(super) struct Slots {
    most: usize,
    most_of_subject: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    of: HashMap<Key, usize>,
}

/// A place for one connection, until it is dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    key: Key,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Feed,
    Subject,
}

impl Full {
    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::Feed => "the feed has as many connections as it may have",
            Self::Subject => "the subject has as many connections as it may have",
        }
    }
}

impl Slots {
    pub(super) fn new(most: usize, most_of_subject: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_subject, taken: Mutex::default() })
    }

    pub(super) fn take(self: &Arc<Self>, token: &AccessToken) -> Result<Slot, Full> {
        let key = (token.entry().issuer, token.subject().shared_id().clone());
        let mut taken = lock(&self.taken);
        if taken.all >= self.most {
            return Err(Full::Feed);
        }
        let of_subject = taken.of.get(&key).copied().unwrap_or_default();
        if of_subject >= self.most_of_subject {
            return Err(Full::Subject);
        }
        taken.all += 1;
        taken.of.insert(key.clone(), of_subject + 1);
        drop(taken);
        Ok(Slot { slots: self.clone(), key })
    }

    pub(super) fn taken(&self) -> usize {
        lock(&self.taken).all
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.slots.taken);
        taken.all = taken.all.saturating_sub(1);
        if let Entry::Occupied(mut of) = taken.of.entry(self.key.clone()) {
            match of.get().saturating_sub(1) {
                0 => drop(of.remove()),
                left => *of.get_mut() = left,
            }
        }
    }
}
