//! Revocations in memory.

mod suspended;
mod write;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::entry::{Entries, Rows};
use super::row::Lifetime;
use super::verdict::{RevocationCounts, Revoked};
use crate::change::{FactKey, Rank};
use crate::lock::{lock, step};
use crate::time::Now;
use crate::token::{AccessToken, IssuerId};
use write::{Book, Told};

/// How far a token may outlive its `exp`, and how far its `iat` may lie ahead of our clock: the largest leeway there is.
const MAX_LEEWAY: u64 = 5 * 60;

/// How long it is remembered that an entry was removed, in seconds: longer than any request takes.
const REMEMBERED: u64 = 60 * 60;

/// How long rows last, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The longest life of a token, from `iat` to `exp`. A token that lives longer would be good again after that.
    pub(crate) token_life: Duration,
    /// Over all issuer entries, suspensions aside.
    pub(crate) rows: usize,
    /// Over all issuer entries, lifted ones among them.
    pub(crate) suspensions: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { token_life: Duration::from_secs(24 * 60 * 60), rows: 100_000, suspensions: 100_000 }
    }
}

/// Revocations in memory, bounded.
///
/// While it is empty, a judgement costs one load of an atomic. Otherwise it looks up the subject, and the organization, the
/// client and the `jti` where there is anything about any. Judgements never wait for one another.
///
/// No row is dropped for want of room. An eighth of them goes into coarser ones, which reject more tokens of before: the removed
/// members of an organization become *not before* of the organization, then the oldest rows *not before* of their whole
/// issuer entry. The entry with most rows is the one that pays.
///
/// Suspensions have room of their own, since they do not end. Here, too, the entry with most of them pays. Its oldest one that
/// was lifted goes first, which is kept against replays only. When all of them stand, the latest becomes *not before* of its
/// subject: tokens up to that moment stay rejected, and later ones are not. So does a deletion that goes into a coarser row.
/// Both are logged as errors and counted.
pub(crate) struct RevocationList {
    bounds: Bounds,
    is_empty: AtomicBool,
    entries: ArcSwap<Entries>,
    /// Whoever writes holds this. Readers never do.
    book: Mutex<Book>,
    weakened: AtomicU64,
}

/// What came of a fact. To be [told](Self::tell) once no lock is held.
#[must_use]
pub(crate) struct Recorded {
    /// Whether it says more than was known.
    pub(crate) is_news: bool,
    told: Told,
}

impl RevocationList {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            is_empty: AtomicBool::new(true),
            entries: ArcSwap::default(),
            book: Mutex::default(),
            weakened: AtomicU64::new(0),
        }
    }

    pub(crate) fn counts(&self) -> RevocationCounts {
        let book = self.book();
        RevocationCounts {
            rows: book.rows,
            suspensions: book.suspended.count(),
            weakened_blocks: self.weakened.load(Ordering::Relaxed),
        }
    }

    /// Whether judgements cost next to nothing.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.is_empty.load(Ordering::Acquire)
    }

    /// Whether a verified token still counts. Called on every request. `leeway`: how far the issuer's clock may be from ours.
    pub(crate) fn judge(&self, token: &AccessToken, now: Now, leeway: Duration) -> Result<(), Revoked> {
        step();
        if self.is_empty.load(Ordering::Acquire) {
            return Ok(());
        }
        step();
        match self.entries.load().get(&token.entry().issuer) {
            Some(Rows::Held(rows)) => rows.judge(token, self.lifetime(now), leeway),
            Some(Rows::Removed(_)) => Err(Revoked::Removed),
            None => Ok(()),
        }
    }

    /// Whether a verified token still counts in an organization that it does not name.
    pub(crate) fn judge_in(
        &self,
        token: &AccessToken,
        organization: &str,
        now: Now,
        leeway: Duration,
    ) -> Result<(), Revoked> {
        step();
        if self.is_empty.load(Ordering::Acquire) {
            return Ok(());
        }
        step();
        match self.entries.load().get(&token.entry().issuer).and_then(Rows::held) {
            Some(rows) => rows.judge_in(token, organization, self.lifetime(now), leeway),
            None => Ok(()),
        }
    }

    /// Takes note of a fact about an issuer entry. To record it again, or after a later one, changes nothing.
    pub(crate) fn record(&self, issuer: IssuerId, key: &FactKey, rank: Rank, now: Now) -> Recorded {
        let life = self.lifetime(now);
        let mut told = Told::default();
        let mut book = self.book();
        let is_news = self.write(&mut book, issuer, key, rank, life, &mut told);
        step();
        self.is_empty.store(self.entries.load().is_empty(), Ordering::Release);
        if book.rows > self.bounds.rows || book.next_look <= life.now {
            self.make_room(&mut book, life, &mut told);
        }
        Recorded { is_news, told }
    }

    /// Lets go of all that is known about an entry, whose tokens are rejected from now on.
    pub(crate) fn remove(&self, issuer: IssuerId, now: Now) {
        let mut book = self.book();
        self.write_removal(&mut book, issuer, now.unix.as_secs().saturating_add(REMEMBERED));
    }

    /// The facts about an entry that still count.
    pub(crate) fn facts(&self, issuer: IssuerId, now: Now) -> Vec<(FactKey, Rank)> {
        let entries = self.entries.load();
        let rows = entries.get(&issuer).and_then(Rows::held);
        rows.map(|rows| rows.facts(self.lifetime(now))).unwrap_or_default()
    }

    /// Nothing that panics runs under this lock, and a count that is wrong would only merge rows too early.
    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    pub(crate) fn token_life(&self) -> Duration {
        self.bounds.token_life
    }

    fn lifetime(&self, now: Now) -> Lifetime {
        let token_life = self.bounds.token_life;
        let life = token_life.as_secs().saturating_add(u64::from(token_life.subsec_nanos() > 0));
        Lifetime { now: now.unix.as_secs(), lasting: life.saturating_add(MAX_LEEWAY) }
    }

    /// Reports what a fact did for want of room.
    pub(crate) fn tell(&self, issuer: &str, recorded: &Recorded) {
        let told = &recorded.told;
        if told.merged > 0 {
            tracing::warn!(target: "orgate", issuer, rows = told.merged, "the list of revocations is full: coarser ones reject more");
        }
        self.weakened.fetch_add((told.weakened + told.weakened_elsewhere) as u64, Ordering::Relaxed);
        if told.weakened_elsewhere > 0 {
            tracing::error!(
                target: "orgate",
                blocks = told.weakened_elsewhere,
                "the list of blocked subjects is full: of the issuer with most of them, only tokens up to a block are rejected"
            );
        }
        if told.weakened > 0 {
            tracing::error!(
                target: "orgate",
                issuer,
                blocks = told.weakened,
                "the list of blocked subjects is full: only their tokens up to now are rejected"
            );
        }
    }
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RevocationCounts { rows, suspensions, weakened_blocks } = self.counts();
        f.debug_struct("RevocationList")
            .field("rows", &rows)
            .field("suspensions", &suspensions)
            .field("weakened_blocks", &weakened_blocks)
            .finish_non_exhaustive()
    }
}
