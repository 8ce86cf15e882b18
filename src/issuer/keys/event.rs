//! What happens to key sets, for those who watch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// An event of the key set of an issuer entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyEvent {
    /// A set was fetched, or confirmed by a 304. A key that changed under its `kid` is both removed and added.
    #[non_exhaustive]
    Fetched {
        /// `kid`s that were not there before.
        added: Vec<String>,
        /// `kid`s that are gone: what they signed is rejected from now on.
        removed: Vec<String>,
        /// `kid`s whose keys are the same.
        kept: Vec<String>,
    },
    /// A fetch failed. The set that was there, if any, stays.
    #[non_exhaustive]
    Failed {
        /// Why. It may hold URLs: it is for operators.
        reason: String,
        /// How long no other fetch is started.
        retry_in: Duration,
    },
    /// A fetch succeeded after one or more had failed.
    Recovered,
    /// The issuer published private keys. They are compromised: they are never used again, and what they signed is rejected.
    #[non_exhaustive]
    PrivateKeyPublished {
        /// The `kid`s of these keys, as far as they have any.
        key_ids: Vec<String>,
    },
    /// Fetches repeatedly brought a set without a usable key. The keys that were held are not used any more.
    #[non_exhaustive]
    Withdrawn {
        /// The `kid`s that are gone.
        removed: Vec<String>,
    },
    /// The set is past its lifetime, could not be refreshed, and serves. Said once for each such time.
    #[non_exhaustive]
    StaleServed {
        /// How long ago it was fetched; `None` for a seed, whose age is not known.
        age: Option<Duration>,
    },
    /// Tokens name unknown `kid`s, and the budget for fetches is spent. Said every five seconds at most.
    UnknownKidSuppressed,
}

impl KeyEvent {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Fetched { .. } => "fetched",
            Self::Failed { .. } => "failed",
            Self::Recovered => "recovered",
            Self::PrivateKeyPublished { .. } => "private_key_published",
            Self::Withdrawn { .. } => "withdrawn",
            Self::StaleServed { .. } => "stale_served",
            Self::UnknownKidSuppressed => "unknown_kid_suppressed",
        }
    }
}

/// A callback for key events: the name of the issuer entry, and what happened.
pub(crate) type Watcher = Arc<dyn Fn(&str, &KeyEvent) + Send + Sync>;

/// Calls the watcher. It is the application's code: a panic in it ends nothing here.
pub(super) fn tell(watcher: Option<&Watcher>, issuer: &str, event: &KeyEvent) {
    let Some(watcher) = watcher else { return };
    if catch_unwind(AssertUnwindSafe(|| watcher(issuer, event))).is_err() {
        tracing::error!(target: "orgate", issuer, "the callback for key events panicked");
    }
}
