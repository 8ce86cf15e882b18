//! A key set as an operator sees it: for dashboards and tests. A readiness probe awaits `ResourceServer::ready`.

use std::sync::Arc;
use std::time::Duration;

/// The state of the key set of one issuer entry.
#[derive(Clone, Debug)]
pub struct KeySetStatus {
    pub(super) issuer: Arc<str>,
    pub(super) state: KeySetState,
    pub(super) age: Option<Duration>,
    pub(super) key_ids: Vec<String>,
    pub(super) key_count: usize,
    pub(super) last_error: Option<String>,
    pub(super) next_refresh: Option<Duration>,
    pub(super) is_fetching: bool,
}

/// The states of a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySetState {
    /// There are no keys that may be used. Before the first request (or `ready`) that is no fault; with `last_error()` a fetch
    /// failed.
    Empty,
    /// Within its lifetime.
    Fresh,
    /// Within its lifetime, and past the point from which a request starts a refresh in the background.
    RefreshDue,
    /// Past its lifetime. With `last_error()` the issuer could not be reached; without it, no request has asked since. The next
    /// request tries a fetch first, and the set serves if that fails. Alert on
    /// [`KeyEvent::StaleServed`](super::KeyEvent::StaleServed), not on this state.
    Stale,
    /// Given in the configuration: it is never fetched.
    Fixed,
}

impl KeySetState {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Fresh => "fresh",
            Self::RefreshDue => "refresh_due",
            Self::Stale => "stale",
            Self::Fixed => "fixed",
        }
    }
}

impl KeySetStatus {
    /// Returns the name of the issuer entry.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.issuer
    }

    /// Returns the state: fresh, stale, and so on.
    #[must_use]
    pub fn state(&self) -> KeySetState {
        self.state
    }

    /// Returns whether tokens of this issuer can be verified now.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.state != KeySetState::Empty
    }

    /// Returns how long ago the set was fetched or confirmed by a 304. `None` without a set, and for a seed.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Returns the `kid`s of the usable keys.
    #[must_use]
    pub fn key_ids(&self) -> &[String] {
        &self.key_ids
    }

    /// Returns the number of usable keys, including those without a `kid`.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.key_count
    }

    /// Returns why the last fetch failed; `None` after a successful one. It may contain URLs and is meant for
    /// operators.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Returns how soon a request may start the next fetch; `None` for a set that is never fetched.
    #[must_use]
    pub fn next_refresh(&self) -> Option<Duration> {
        self.next_refresh
    }

    /// Returns whether a fetch is in progress.
    #[must_use]
    pub fn is_fetching(&self) -> bool {
        self.is_fetching
    }
}
