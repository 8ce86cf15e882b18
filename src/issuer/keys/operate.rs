//! What an operator can see and do: status, refresh by hand, export.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::refresh::{Fetching, Shared};
use super::state::Refresh;
use super::status::{KeySetState, KeySetStatus};
use super::store::KeyStore;
use crate::flight::{NO_RUNTIME, Unfinished};
use crate::lock::lock;

/// A refresh by hand joins a fetch that is under way and then makes its own: two limits, and a little.
const REFRESH_LIMIT: Duration = Duration::from_secs(12);

/// An error of a manual refresh: it did not bring a key set.
///
/// If the issuer entry was removed, the [`source`](Error::source) is an
/// [`IssuerRemoved`](crate::server::IssuerRemoved).
#[derive(Clone, Debug)]
pub struct RefreshError {
    issuer: Arc<str>,
    reason: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl RefreshError {
    fn new(issuer: &str, reason: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), reason: reason.into(), source: None }
    }

    /// Of an entry that is no longer there.
    pub(crate) fn removed(issuer: &str, removed: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(removed)), ..Self::new(issuer, "the issuer entry was removed") }
    }

    /// Returns the name of the issuer entry.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.issuer
    }
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the keys of issuer {:?} were not refreshed: {}", self.issuer, self.reason)
    }
}

impl Error for RefreshError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Refreshes one entry's keys.
pub(crate) async fn refresh(issuer: Arc<str>, store: KeyStore) -> Result<(), RefreshError> {
    store.refresh().await.map_err(|reason| RefreshError::new(&issuer, reason))
}

impl KeyStore {
    pub(crate) fn status(&self, issuer: &Arc<str>) -> KeySetStatus {
        let current = self.0.current.load();
        let kids = current.as_ref().map(|current| current.document.set.kids().map(str::to_owned).collect());
        let mut status = KeySetStatus {
            issuer: issuer.clone(),
            state: KeySetState::Fixed,
            age: None,
            key_ids: kids.unwrap_or_default(),
            key_count: current.as_ref().map_or(0, |current| current.document.set.len()),
            last_error: None,
            next_refresh: None,
            is_fetching: false,
        };
        if let Some(fetching) = &self.0.fetching {
            let now = self.0.clock.now().monotonic;
            let view = lock(&fetching.state).view(now);
            status.state = view.state;
            status.age = view.age;
            status.next_refresh = Some(view.next_refresh);
            status.is_fetching = view.fetching;
            status.last_error.clone_from(&lock(&fetching.last_error));
            if view.state == KeySetState::Empty {
                status.key_ids.clear();
                status.key_count = 0;
            }
        }
        status
    }

    /// The keys in use, as a document. Keys that may be used no more are not handed out.
    pub(crate) fn export(&self) -> Option<String> {
        let now = self.0.clock.now().monotonic;
        let usable = |fetching: &Fetching| lock(&fetching.state).view(now).state != KeySetState::Empty;
        if !self.0.fetching.as_ref().is_none_or(usable) {
            return None;
        }
        let current = self.0.current.load();
        current.as_ref().map(|current| current.document.set.to_json())
    }

    /// Fetches the set now, back-off or not. One fetch at a time all the same.
    pub(crate) async fn refresh(&self) -> Result<(), String> {
        let Some(fetching) = &self.0.fetching else { return Ok(()) };
        let arrival = lock(&fetching.state).arrival();
        let step = || {
            let now = self.0.clock.now().monotonic;
            let step = lock(&fetching.state).refresh(arrival, now);
            match step {
                Refresh::Done => return Some(Ok(())),
                Refresh::Failed => return Some(Err(lock(&fetching.last_error).clone().unwrap_or_default())),
                Refresh::Wait => {}
                Refresh::Fetch(flight) => Shared::start(&self.0, fetching, flight),
            }
            None
        };
        fetching.flight.wait(REFRESH_LIMIT, step).await.unwrap_or_else(|unfinished| {
            Err(match unfinished {
                Unfinished::NoRuntime => NO_RUNTIME.to_owned(),
                Unfinished::Late => format!("no outcome within {} s", REFRESH_LIMIT.as_secs()),
            })
        })
    }
}
