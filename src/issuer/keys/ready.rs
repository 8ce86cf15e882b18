//! Waiting for keys before the first request does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::store::KeyStore;
use crate::permissions::SourceError;

/// An error of a readiness check: an issuer has no keys yet, its permission source cannot be asked, or the change log
/// is not loaded. With several issuers, it names the first one.
#[derive(Clone, Debug)]
pub struct NotReady {
    issuer: Option<Arc<str>>,
    retry_after: Duration,
    source: Option<SourceError>,
}

impl NotReady {
    /// The permission source of this entry cannot be asked.
    pub(crate) fn without_source(issuer: Arc<str>, error: SourceError) -> Self {
        let retry_after = error.wants_retry_after().unwrap_or(Duration::from_secs(1));
        Self { issuer: Some(issuer), retry_after, source: Some(error) }
    }

    /// The server does not know what its change log holds.
    pub(crate) const fn without_log() -> Self {
        Self { issuer: None, retry_after: Duration::from_secs(1), source: None }
    }

    /// Returns why the permission source cannot be asked; `None` if another part is not ready.
    #[must_use]
    pub fn source_error(&self) -> Option<&SourceError> {
        self.source.as_ref()
    }

    /// Returns the name of the issuer entry. `None` if it is the change log that is not current.
    #[must_use]
    pub fn issuer_name(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns the earliest time of the next attempt.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.issuer, &self.source) {
            (Some(issuer), Some(error)) => {
                write!(f, "the permission source of issuer {issuer:?} cannot be asked: {error}")
            }
            (Some(issuer), None) => write!(f, "issuer {issuer:?} has no keys yet; the log says why"),
            (None, _) => f.write_str("the change log is not current"),
        }
    }
}

impl std::error::Error for NotReady {}

/// Waits for all at once: each wait is bounded by its store. Outside a tokio runtime there is nothing to wait with.
pub(crate) async fn all_ready(stores: Vec<(Arc<str>, KeyStore)>) -> Result<(), NotReady> {
    let checked = |issuer, outcome: Result<(), Duration>| {
        outcome.map_err(|retry_after| NotReady { issuer: Some(issuer), retry_after, source: None })
    };
    if tokio::runtime::Handle::try_current().is_err() {
        for (issuer, store) in stores {
            checked(issuer, store.ready().await)?;
        }
        return Ok(());
    }
    // Each is started before the first is waited for.
    let wait = |(issuer, store): (_, KeyStore)| (issuer, tokio::spawn(async move { store.ready().await }));
    let waits: Vec<_> = stores.into_iter().map(wait).collect();
    for (issuer, wait) in waits {
        checked(issuer, wait.await.unwrap_or(Err(Duration::from_secs(1))))?;
    }
    Ok(())
}
