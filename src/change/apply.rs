//! The one place where changes take effect.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;

use super::about::{About, Effect};
use super::change::Change;
use super::driver::Driver;
use super::epoch::Epoch;
use super::expected::Expected;
use super::fact::{Fact, Rank};
use super::following::Following;
use super::journal::Journal;
use super::log::Log;
use super::revocations::{Bounds, Recorded, RevocationList};
use crate::issuer::keys::Generation;
use crate::issuer::{TrustedIssuer, TrustedIssuers};
use crate::lock::lock;
use crate::time::Clock;
use crate::token::IssuerId;

/// Told about every change after revocations and the marks of the entry are: decisions, then leases, then feeds. Called under
/// the lock that orders changes, so it must neither block nor apply changes.
pub(crate) trait Follower: Send + Sync {
    fn changed(&self, applied: &Applied<'_>);
}

/// What a follower is told.
pub(crate) struct Applied<'a> {
    pub(crate) entry: &'a TrustedIssuer,
    pub(crate) about: &'a About,
    /// Whether what was asked before is stale. It is not for a fact that was loaded.
    pub(crate) invalidates: bool,
    /// Whether tokens are rejected that were not rejected before.
    pub(crate) refuses_more: bool,
    pub(crate) at: Epoch,
}

/// The changes of one server: what they do here, and where they are kept.
pub(crate) struct Changes {
    pub(super) entries: Arc<ArcSwap<TrustedIssuers>>,
    /// Held while a change takes effect, and while an issuer entry comes or goes.
    order: Mutex<Expected>,
    pub(super) revocations: RevocationList,
    followers: Vec<Arc<dyn Follower>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) leeway: Duration,
    /// Counts what verified tokens rest on.
    pub(super) generation: Generation,
    pub(super) journal: Option<Arc<Journal>>,
    /// Of a file of this process beside a log that is shared.
    pub(super) beside: Option<Arc<Journal>>,
    pub(super) following: Following,
    /// Drives both.
    pub(super) driver: Arc<Driver>,
}

/// What a server is made of, as far as changes concern it.
pub(crate) struct Parts {
    pub(crate) entries: Arc<ArcSwap<TrustedIssuers>>,
    pub(crate) bounds: Bounds,
    pub(crate) followers: Vec<Arc<dyn Follower>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leeway: Duration,
    pub(crate) generation: Generation,
    pub(crate) log: Option<Arc<dyn Log>>,
    /// A file of this process.
    pub(crate) file: Option<Arc<dyn Log>>,
}

/// Who has kept what a log holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// This process: it was clamped before it was kept, and the clock may be wrong at startup, so it counts as it is.
    Own,
    Shared,
}

/// What is left to do once no lock is held.
#[derive(Default)]
struct After {
    told: Vec<(Arc<str>, Recorded)>,
    refused: Vec<Arc<str>>,
    kept: Vec<Change>,
    /// What was news from a log that is shared.
    kept_beside: Vec<Change>,
}

impl Changes {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { entries, bounds, followers, clock, leeway, generation, log, file } = parts;
        let (log, beside) = if log.is_some() { (log, file) } else { (file, None) };
        let driver = Arc::<Driver>::default();
        Self {
            entries,
            order: Mutex::default(),
            revocations: RevocationList::new(bounds),
            followers,
            clock,
            leeway,
            generation,
            journal: log.clone().map(|log| Arc::new(Journal::new(log, driver.clone()))),
            beside: beside.clone().map(|log| Arc::new(Journal::new(log, driver.clone()))),
            following: Following::new(log, beside),
            driver,
        }
    }

    /// Applies changes of one issuer entry: when this returns, the next request is judged by them. `None` if there is no such
    /// entry.
    pub(crate) fn apply(self: &Arc<Self>, issuer: IssuerId, changes: impl IntoIterator<Item = Change>) -> Option<()> {
        let (mut after, changes) = (After::default(), Vec::from_iter(changes));
        let entry = self.entries.load().get(issuer).cloned()?;
        for change in &changes {
            invalidate_source(&entry, change.about(), self.reported(change));
        }
        let order = self.lock();
        let entry = self.entries.load().get(issuer).cloned()?;
        for change in changes {
            self.apply_one(&entry, change, None, &mut after);
        }
        drop(order);
        self.conclude(after);
        Some(())
    }

    /// Applies a change that arrived from the log.
    pub(super) fn receive(self: &Arc<Self>, change: Change, origin: Origin) {
        let mut after = After::default();
        if let Some(entry) = self.entry_of(change.shared_issuer()) {
            invalidate_source(&entry, change.about(), self.reported(&change));
        }
        let mut order = self.lock();
        if let Some(entry) = self.entry_of(change.shared_issuer()) {
            self.apply_one(&entry, change, Some(origin), &mut after);
        } else if let Some(fact) = change.fact() {
            self.load_one(&mut order, &fact, origin, &mut after);
        }
        drop(order);
        self.conclude(after);
    }

    /// Takes in a fact that a log holds.
    pub(super) fn load(self: &Arc<Self>, fact: &Fact, origin: Origin) {
        let mut after = After::default();
        let mut order = self.lock();
        self.load_one(&mut order, fact, origin, &mut after);
        drop(order);
        self.conclude(after);
    }

    /// Changes may have been missed: whatever was remembered is as good as nothing.
    pub(super) fn missed(&self) {
        for entry in self.entries.load().iter() {
            invalidate_source(entry, &About::Everything, None);
        }
        let _order = self.lock();
        for entry in self.entries.load().iter() {
            self.invalidate(entry, &About::Everything, false, None);
        }
    }

    /// `from`: where it arrived from. `None` if it is applied here first.
    fn apply_one(&self, entry: &TrustedIssuer, change: Change, from: Option<Origin>, after: &mut After) {
        let now = self.clock.now();
        // No issuer's clock is farther ahead than that, if any of its tokens is to be accepted.
        let latest = now.unix.saturating_add(self.leeway);
        if change.effect() == Effect::Restored && since_epoch(change.at()) > latest {
            return after.refused.push(entry.rules.name.clone());
        }
        let changed = self.reported(&change);
        let change = change.clamped(latest);
        let fact = change.fact();
        let recorded = fact.map(|fact| self.revocations.record(entry.id(), fact.key(), fact.rank(), now));
        let refuses_more = recorded.as_ref().is_some_and(|recorded| recorded.is_news);
        after.told.extend(recorded.map(|recorded| (entry.rules.name.clone(), recorded)));
        self.invalidate(entry, change.about(), refuses_more, changed);
        match from {
            None => after.kept.push(change),
            Some(origin) if refuses_more && self.is_kept_beside(origin) => after.kept_beside.push(change),
            Some(_) => {}
        }
    }

    fn load_one(&self, expected: &mut Expected, fact: &Fact, origin: Origin, after: &mut After) {
        let now = self.clock.now();
        let latest = now.unix.saturating_add(self.leeway);
        if fact.rank().since_epoch() > latest && !fact.rank().is_strict() {
            after.refused.push(fact.issuer().into());
            return;
        }
        let bound = match origin {
            Origin::Own => Rank::from(u64::MAX),
            Origin::Shared => Rank::new(SystemTime::UNIX_EPOCH + latest, true),
        };
        let rank = fact.rank().min(bound);
        let entry = self.entry_of(fact.issuer());
        let id = entry.as_ref().map(|entry| entry.id()).or_else(|| expected.reserve(fact.issuer()));
        let Some(id) = id else { return };
        let recorded = self.revocations.record(id, fact.key(), rank, now);
        if let Some(entry) = entry.as_ref().filter(|_| recorded.is_news) {
            let applied = Applied {
                entry,
                about: &fact.key().about(),
                invalidates: false,
                refuses_more: true,
                at: Epoch::next(),
            };
            self.tell(&applied);
        }
        if recorded.is_news && self.is_kept_beside(origin) {
            after.kept_beside.push(fact.key().change(fact.issuer().into(), rank));
        }
        after.told.push((fact.issuer().into(), recorded));
    }

    /// Whether news from there go to the file of this process: as they count, since that file is believed at startup.
    fn is_kept_beside(&self, origin: Origin) -> bool {
        origin == Origin::Shared && self.beside.is_some()
    }

    /// When it happened by the issuer's clock.
    fn reported(&self, change: &Change) -> Option<Duration> {
        let stated = since_epoch(change.at());
        // A moment ahead of our clock, as a revocation by hand states it, would hide what really happens until then.
        (stated <= self.clock.now().unix).then_some(stated)
    }

    /// Whatever was asked before serves no more, if that is news.
    pub(super) fn invalidate(
        &self,
        entry: &TrustedIssuer,
        about: &About,
        refuses_more: bool,
        changed: Option<Duration>,
    ) {
        let at = Epoch::next();
        let is_news = entry.lasting.invalidations.note(about, at, changed, self.clock.now().monotonic);
        if is_news || refuses_more {
            self.tell(&Applied { entry, about, invalidates: is_news, refuses_more, at });
        }
    }

    fn tell(&self, applied: &Applied<'_>) {
        for follower in &self.followers {
            follower.changed(applied);
        }
    }

    fn conclude(self: &Arc<Self>, mut after: After) {
        for (issuer, recorded) in &after.told {
            self.revocations.tell(issuer, recorded);
        }
        for issuer in &after.refused {
            tracing::warn!(target: "orgate", issuer = &**issuer, "ignored the end of a suspension: it lies in the future");
        }
        if let Some(journal) = self.journal.as_ref().filter(|_| !after.kept.is_empty()) {
            self.follow();
            let server: Weak<Self> = Arc::downgrade(self);
            if self.beside.is_some() {
                after.kept_beside.extend(after.kept.iter().cloned());
            }
            journal.push(after.kept, server);
        }
        if let Some(journal) = self.beside.as_ref().filter(|_| !after.kept_beside.is_empty()) {
            let server: Weak<Self> = Arc::downgrade(self);
            journal.push(after.kept_beside, server);
        }
    }

    /// The entry that is called so outside this process.
    pub(super) fn entry_of(&self, iss: &str) -> Option<Arc<TrustedIssuer>> {
        let entries = self.entries.load();
        entries.trusted(iss).map(|(_, entry)| entry).filter(|entry| **entry.iss() == *iss).cloned()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Expected> {
        // What a panic of a follower leaves behind is valid.
        lock(&self.order)
    }
}

/// Has the source of an entry drop what a change that concerns everybody makes stale. It comes before the mark, since whoever
/// asks from the mark on must get what is true now, and without a lock, since it is code of the application.
pub(super) fn invalidate_source(entry: &TrustedIssuer, about: &About, changed: Option<Duration>) {
    let Some(source) = entry.permissions.as_ref().filter(|_| about.is_wide()) else { return };
    if !entry.lasting.invalidations.is_news(about, changed) {
        return;
    }
    let dropped = catch_unwind(AssertUnwindSafe(|| source.ask.invalidate()));
    if dropped.is_err() {
        tracing::error!(target: "orgate", issuer = &*entry.rules.name, "a permission source panicked");
    }
}

fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("revocations", &self.revocations).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
