//! How issuer entries come and go, in one order with changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::about::About;
use super::apply::{Changes, Origin, invalidate_source};
use super::fact::{Fact, FactKey, Rank};
use crate::error::ConfigError;
use crate::issuer::{TrustedIssuer, TrustedIssuers};
use crate::lock::step;
use crate::token::IssuerId;

/// How many issuers facts are kept for that are not trusted yet.
pub(super) const MOST_EXPECTED: usize = 4096;

/// Issuers that are not trusted yet, and of which facts were loaded: an entry that is added gets the identity.
#[derive(Default)]
pub(super) struct Expected {
    pub(super) ids: HashMap<Arc<str>, IssuerId>,
    /// There were too many: what was known of others is not known any more.
    is_incomplete: bool,
    /// Facts of before this moment were lost.
    lost: Option<Rank>,
}

impl Changes {
    /// The identity for an entry with this first `iss` value.
    pub(crate) fn identity(&self, iss: &str) -> IssuerId {
        self.lock().ids.get(iss).copied().unwrap_or_else(IssuerId::unique)
    }

    /// Adds an entry that was made with this identity. `None` if it has another one by now.
    pub(crate) fn add(
        self: &Arc<Self>,
        iss: &str,
        id: IssuerId,
        add: impl FnOnce(&TrustedIssuers) -> Result<TrustedIssuers, ConfigError>,
    ) -> Option<Result<(), ConfigError>> {
        let mut expected = self.lock();
        if expected.ids.get(iss).is_some_and(|reserved| *reserved != id) {
            return None;
        }
        let more = match add(&self.entries.load()) {
            Ok(more) => more,
            Err(fault) => return Some(Err(fault)),
        };
        self.welcome(&mut expected, iss, id);
        self.replace(more);
        drop(expected);
        self.confirm();
        Some(Ok(()))
    }

    /// Gives an entry that is added what was known of its issuer before.
    fn welcome(&self, expected: &mut Expected, iss: &str, id: IssuerId) {
        let now = self.clock.now();
        let is_unknown = expected.ids.remove(iss).is_none() && expected.is_incomplete;
        // What was known of it found no room, or was lost: tokens of before are rejected.
        let no_room = is_unknown.then(|| Rank::new(SystemTime::UNIX_EPOCH + now.unix, true));
        if let Some(rank) = no_room.max(expected.lost) {
            drop(self.revocations.record(id, &FactKey::Everyone, rank, now));
        }
    }

    /// Facts of before this moment were lost: tokens of before are rejected, also those of entries that are added later.
    pub(super) fn lose(self: &Arc<Self>, before: SystemTime) {
        let latest = SystemTime::UNIX_EPOCH + self.clock.now().unix.saturating_add(self.leeway);
        let rank = Rank::new(before.min(latest), true);
        {
            let mut expected = self.lock();
            expected.lost = expected.lost.max(Some(rank));
        }
        for entry in self.entries.load().iter() {
            self.load(&Fact::new(entry.iss().clone(), FactKey::Everyone, rank), Origin::Shared);
        }
    }

    /// The latest such moment.
    pub(super) fn lost(&self) -> Option<SystemTime> {
        self.lock().lost.map(Rank::at)
    }

    /// Gives an entry other settings. `None` if it is not the one that the settings were made for, or is gone.
    pub(crate) fn update(
        &self,
        old: &Arc<TrustedIssuer>,
        update: impl FnOnce(&TrustedIssuers) -> Result<TrustedIssuers, ConfigError>,
    ) -> Option<Result<(), ConfigError>> {
        invalidate_source(old, &About::Everything, None);
        let _order = self.lock();
        let entries = self.entries.load();
        entries.get(old.id()).filter(|entry| entry.rules.entry == old.rules.entry)?;
        let updated = match update(&entries) {
            Ok(updated) => updated,
            Err(fault) => return Some(Err(fault)),
        };
        let new = updated.get(old.id()).cloned();
        self.replace(updated);
        self.invalidate_updated(old, new.as_ref());
        Some(Ok(()))
    }

    fn invalidate_updated(&self, old: &TrustedIssuer, new: Option<&Arc<TrustedIssuer>>) {
        self.invalidate(old, &About::Everything, false, None);
        if let Some(new) = new.filter(|new| new.rules.name != old.rules.name) {
            self.invalidate(new, &About::Everything, false, None);
        }
    }

    /// Removes an entry, and all that was known of it. `None` if it is not there.
    pub(crate) fn remove(&self, id: IssuerId) -> Option<()> {
        invalidate_source(self.entries.load().get(id)?, &About::Everything, None);
        let _order = self.lock();
        let entries = self.entries.load();
        let entry = entries.get(id).cloned()?;
        self.replace(entries.without(id)?);
        self.forget(&entry);
        Some(())
    }

    fn forget(&self, entry: &TrustedIssuer) {
        self.revocations.remove(entry.id(), self.clock.now());
        // The next entry of that name may be another one.
        self.invalidate(entry, &About::Everything, true, None);
    }

    /// Replaces all entries in one step. `None`, and nothing is changed, if others than `old` are there by now, or if an entry
    /// that is new has another identity.
    pub(crate) fn exchange(self: &Arc<Self>, old: &Arc<TrustedIssuers>, new: TrustedIssuers) -> Option<()> {
        let new = Arc::new(new);
        let is_changed =
            |entry: &TrustedIssuer| new.get(entry.id()).is_none_or(|now| now.rules.entry != entry.rules.entry);
        let changed: Vec<_> = old.iter().filter(|entry| is_changed(entry)).collect();
        for entry in &changed {
            invalidate_source(entry, &About::Everything, None);
        }
        let added: Vec<_> = new.iter().filter(|entry| old.get(entry.id()).is_none()).collect();
        let mut expected = self.lock();
        let is_other = |entry: &TrustedIssuer| expected.ids.get(entry.iss()).is_some_and(|id| *id != entry.id());
        if !Arc::ptr_eq(&self.entries.load_full(), old) || added.iter().any(|entry| is_other(entry)) {
            return None;
        }
        for entry in added {
            self.welcome(&mut expected, entry.iss(), entry.id());
        }
        self.replace(new.clone());
        for entry in changed {
            match new.get(entry.id()) {
                Some(now) => self.invalidate_updated(entry, Some(now)),
                None => self.forget(entry),
            }
        }
        drop(expected);
        self.confirm();
        Some(())
    }

    fn replace(&self, entries: impl Into<Arc<TrustedIssuers>>) {
        step();
        self.entries.store(entries.into());
        self.generation.advance();
    }
}

impl Expected {
    /// The identity of an issuer that is not trusted yet; `None` if there are too many.
    pub(super) fn reserve(&mut self, iss: &str) -> Option<IssuerId> {
        if let Some(id) = self.ids.get(iss) {
            return Some(*id);
        }
        if self.ids.len() >= MOST_EXPECTED {
            if !self.is_incomplete {
                tracing::error!(target: "orgate", "facts about too many issuers that are not trusted here");
            }
            self.is_incomplete = true;
            return None;
        }
        let id = IssuerId::unique();
        self.ids.insert(iss.into(), id);
        Some(id)
    }
}
