//! Where changes are kept beyond this process, or shared with others.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::change::Change;
use super::fact::{Fact, Facts};
use crate::error::with_causes;
use crate::future::BoxFuture;
use crate::name::stable_names;

/// A store of changes outside of this process: a file, or a store that replicas share.
///
/// A server applies a change first and appends it afterwards, so a log that cannot be reached never delays enforcement in
/// the process that received the change. What another process appended arrives through [`follow`](Self::follow).
///
/// Three orders exist and are never mixed: facts are ordered by their [rank](super::Rank), applications within a process by
/// a counter of the server, and positions within a log are the log's own business.
pub trait Log: Send + Sync + 'static {
    /// Appends changes, in their order. Called again with the same changes until it succeeds, so an implementation must
    /// tolerate repetition.
    ///
    /// # Errors
    ///
    /// Returns a [`LogError`] if the changes may not have been kept.
    fn append<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>>;

    /// Follows the log: what it holds, then what is appended. Called once by each server, in a tokio runtime that the server
    /// starts with a thread of its own: [`append`](Self::append) is called there, too, and nothing there should block.
    ///
    /// `held` is what the server knows. A log that lost something can be completed from it.
    fn follow(&self, held: Arc<dyn Facts>) -> Box<dyn Updates>;

    /// Returns how far behind the log a server may fall. Default: `None`, requests are judged by what is known and never
    /// wait for the log.
    fn staleness(&self) -> Option<Staleness> {
        None
    }

    /// Returns how long a webhook's delivery may wait until its changes are kept. Beyond that it has been applied and is
    /// answered with 503, so that a proxy or the sender delivers it again, perhaps to another process. Default: `None`, it is
    /// answered once it has been applied.
    fn delivery_wait(&self) -> Option<Duration> {
        None
    }

    /// Returns whether a suspension that is loaded may have ended while the log was not followed: then the issuer's
    /// [permission source](crate::permissions::PermissionSource::is_suspended) is asked. Default: `false`.
    fn must_be_confirmed(&self) -> bool {
        false
    }
}

/// The updates of a log.
pub trait Updates: Send {
    /// Returns the next update. `None` ends the log: nothing more will arrive.
    ///
    /// The future may be dropped before it is done and asked for again; no update may be lost then.
    fn next(&mut self) -> BoxFuture<'_, Option<Update>>;
}

/// One update from a log.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use orgate::change::{Change, Update};
///
/// /// What a log that has just been loaded delivers: its content, and the reading that was taken before.
/// fn loaded(suspended: &str, as_of: Duration) -> [Update; 2] {
///     let change = Change::suspended("https://issuer.example", suspended, SystemTime::UNIX_EPOCH);
///     [change.fact().map_or(Update::Gap, Update::Fact), Update::current(as_of)]
/// }
/// # _ = loaded("alice", Duration::ZERO);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Update {
    /// A change was appended since the log is followed: by another process, or by this one.
    Change(Change),
    /// A fact that the log holds. Loading it rejects what it rejects and makes no cached answer stale.
    Fact(Fact),
    /// Changes were missed. Everything that was cached is stale.
    Gap,
    /// Facts of before this moment were lost. Tokens that were issued earlier are rejected, also those of an issuer entry that
    /// is added later.
    #[non_exhaustive]
    Lost {
        /// By the server's clock.
        before: SystemTime,
    },
    /// Everything that was in the log at this moment has been delivered.
    #[non_exhaustive]
    Current {
        /// A monotonic reading of [`Facts::now`].
        as_of: Duration,
    },
}

stable_names!(Update {
    Change => "change",
    Fact => "fact",
    Gap => "gap",
    Lost => "lost",
    Current => "current",
});

impl Update {
    /// States that everything that was in the log at this moment has been delivered: a monotonic reading of
    /// [`Facts::now`].
    #[must_use]
    pub const fn current(as_of: Duration) -> Self {
        Self::Current { as_of }
    }

    /// States that facts of before this moment were lost.
    #[must_use]
    pub const fn lost(before: SystemTime) -> Self {
        Self::Lost { before }
    }
}

/// How long a server may go without being [current](Update::Current), and what happens then.
///
/// ```
/// use std::time::Duration;
/// use orgate::change::Staleness;
///
/// let certain = Staleness::refuse_after(Duration::from_secs(10));
/// assert!(certain.refuses() && certain.waits_until_loaded());
/// let available = Staleness::go_on_after(Duration::from_secs(10)).once_loaded();
/// assert!(!available.refuses() && available.waits_until_loaded());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staleness {
    bound: Duration,
    refuses: bool,
    waits: bool,
}

impl Staleness {
    /// Rejects requests with 503 and `Retry-After` while the server is not known to be current within `bound`, and
    /// before the log was loaded. [`Duration::MAX`] means only before it was loaded.
    #[must_use]
    pub const fn refuse_after(bound: Duration) -> Self {
        Self { bound, refuses: true, waits: true }
    }

    /// Judges requests by what is known, and reports that the server is behind.
    #[must_use]
    pub const fn go_on_after(bound: Duration) -> Self {
        Self { bound, refuses: false, waits: false }
    }

    /// Rejects requests until the log, or a [file](crate::server::Builder::change_file) beside it, was loaded once.
    #[must_use]
    pub const fn once_loaded(mut self) -> Self {
        self.waits = true;
        self
    }

    /// Returns whether requests are rejected until the log was loaded once.
    #[must_use]
    pub const fn waits_until_loaded(self) -> bool {
        self.waits
    }

    /// Returns how long one report of being current counts.
    #[must_use]
    pub const fn bound(self) -> Duration {
        self.bound
    }

    /// Returns whether requests are rejected while the server is behind.
    #[must_use]
    pub const fn refuses(self) -> bool {
        self.refuses
    }
}

/// An error of a log that did not store changes. Its text goes to the server's log, never into a response.
///
/// ```
/// use orgate::change::LogError;
///
/// let from_another_error = LogError::new(std::io::Error::other("disk full"));
/// let from_a_sentence = LogError::new("the store answered with an error");
/// assert_eq!(from_a_sentence.to_string(), "the store answered with an error");
/// # _ = from_another_error;
/// ```
#[derive(Clone, Debug)]
pub struct LogError(Arc<dyn Error + Send + Sync>);

impl LogError {
    /// Wraps an error, or a sentence.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl fmt::Display for LogError {
    /// Writes the error and its causes in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes(f, &*self.0)
    }
}

impl Error for LogError {}
