//! Revocations in memory.

mod write;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::entry::Entries;
use super::row::Lifetime;
use super::{Revocation, Revocations, Revoked};
use crate::time::Now;
use crate::token::AccessToken;
use write::{Book, Told};

const DEFAULT_TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_MAX_ROWS: usize = 100_000;
const DEFAULT_MAX_SUSPENSIONS: usize = 100_000;
/// How far a token may outlive its `exp`, and how far its `iat` may lie ahead of our clock: the largest leeway there is.
const MAX_LEEWAY: u64 = 5 * 60;

/// Revocations in memory, bounded: the default.
///
/// While it is empty, a judgement costs one load of an atomic. Otherwise it looks up the subject, and the organization, the
/// client and the `jti` where there is anything about any. Judgements never wait for one another.
///
/// # When it is full
///
/// No row is dropped for want of room. An eighth of them goes into coarser ones, which refuse more, never less: the removed
/// members of an organization become *not before* of the organization, then the oldest rows *not before* of their whole
/// issuer entry. The entry with most rows is the one that pays.
///
/// Suspensions have room of their own, since they do not end. The oldest ones that were lifted go first, which are kept
/// against replays only. When all of them stand, one more becomes *not before* of its subject: tokens up to that moment stay
/// refused, and later ones are not. So does a deletion that goes into a coarser row. Both are logged as errors and counted in
/// [`weakened_blocks`](Self::weakened_blocks).
///
/// ```
/// use std::time::Duration;
/// use orgate::change::revocations::RevocationList;
///
/// // Where no token lives longer than an hour.
/// let list = RevocationList::new().token_life(Duration::from_secs(3600)).max_rows(250_000);
/// # assert_eq!((list.rows(), list.weakened_blocks()), (0, 0));
/// ```
pub struct RevocationList {
    token_life: Duration,
    max_rows: usize,
    max_suspensions: usize,
    is_empty: AtomicBool,
    entries: ArcSwap<Entries>,
    /// Whoever writes holds this. Readers never do.
    book: Mutex<Book>,
    weakened: AtomicU64,
}

impl RevocationList {
    /// An empty list with the default bounds.
    #[must_use]
    pub fn new() -> Self {
        Self {
            token_life: DEFAULT_TOKEN_LIFE,
            max_rows: DEFAULT_MAX_ROWS,
            max_suspensions: DEFAULT_MAX_SUSPENSIONS,
            is_empty: AtomicBool::new(true),
            entries: ArcSwap::default(),
            book: Mutex::default(),
            weakened: AtomicU64::new(0),
        }
    }

    /// The longest life of a token, from `iat` to `exp`. Default: 24 h. All but suspensions counts for so long, and five
    /// minutes more for the leeway. A token that lives longer would be good again after that.
    #[must_use]
    pub fn token_life(mut self, life: Duration) -> Self {
        self.token_life = life;
        self
    }

    /// How many rows there may be, over all issuer entries: subjects, members, organizations, clients and tokens. Default:
    /// 100,000, which take some 20 MB.
    #[must_use]
    pub fn max_rows(mut self, rows: usize) -> Self {
        self.max_rows = rows;
        self
    }

    /// How many suspensions there may be, over all issuer entries, lifted ones among them. Default: 100,000.
    #[must_use]
    pub fn max_suspensions(mut self, suspensions: usize) -> Self {
        self.max_suspensions = suspensions;
        self
    }

    /// How many rows there are, suspensions aside. Some may have ended.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.book().rows
    }

    /// How many suspensions are known, lifted ones among them.
    #[must_use]
    pub fn suspensions(&self) -> usize {
        self.book().suspensions
    }

    /// How many blocks have become a *not before* for want of room. Above zero, a subject that should be blocked may not be:
    /// raise the bounds.
    #[must_use]
    pub fn weakened_blocks(&self) -> u64 {
        self.weakened.load(Ordering::Relaxed)
    }

    /// Whether judgements cost next to nothing.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.is_empty.load(Ordering::Acquire)
    }

    /// Nothing that panics runs under this lock, and a count that is wrong would only merge rows too early.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lifetime(&self, now: Now) -> Lifetime {
        let life = self.token_life.as_secs().saturating_add(u64::from(self.token_life.subsec_nanos() > 0));
        Lifetime { now: now.unix.as_secs(), lasting: life.saturating_add(MAX_LEEWAY) }
    }
}

impl Revocations for RevocationList {
    fn judge(&self, token: &AccessToken, now: Now) -> Result<(), Revoked> {
        if self.is_empty.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.entries.load().get(token.issuer_name()) {
            Some(entry) => entry.judge(token, self.lifetime(now)),
            None => Ok(()),
        }
    }

    fn record(&self, issuer_name: &str, revocation: Revocation<'_>, now: Now) {
        let life = self.lifetime(now);
        let mut told = Told::default();
        let mut book = self.book();
        self.write(&mut book, issuer_name, revocation, life, &mut told);
        self.is_empty.store(self.entries.load().is_empty(), Ordering::Release);
        if book.rows > self.max_rows || book.next_look <= life.now {
            self.make_room(&mut book, life, &mut told);
        }
        drop(book);
        self.tell(issuer_name, &told);
    }
}

impl RevocationList {
    fn tell(&self, issuer: &str, told: &Told) {
        if told.merged > 0 {
            tracing::warn!(target: "orgate", issuer, rows = told.merged, "no room for revocations: coarser ones refuse more");
        }
        if told.weakened > 0 {
            self.weakened.fetch_add(told.weakened as u64, Ordering::Relaxed);
            tracing::error!(
                target: "orgate",
                issuer,
                blocks = told.weakened,
                "no room for blocked subjects: only their tokens up to then are refused"
            );
        }
    }
}

impl Default for RevocationList {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let book = self.book();
        f.debug_struct("RevocationList")
            .field("rows", &book.rows)
            .field("suspensions", &book.suspensions)
            .field("weakened_blocks", &self.weakened_blocks())
            .finish_non_exhaustive()
    }
}
