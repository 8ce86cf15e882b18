//! Waiting for keys before the first request does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::store::KeyStore;

/// An issuer has no keys yet. Of several, the first one is named.
#[derive(Clone, Debug)]
pub struct NotReady {
    issuer: Arc<str>,
    retry_after: Duration,
}

impl NotReady {
    /// The name of the issuer entry.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.issuer
    }

    /// When its keys are asked for again at the earliest.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "issuer {:?} has no keys yet; the log says why", self.issuer)
    }
}

impl std::error::Error for NotReady {}

/// Waits for all at once: each wait is bounded by its store. Outside a tokio runtime there is nothing to wait with.
pub(crate) async fn all_ready(stores: Vec<(Arc<str>, KeyStore)>) -> Result<(), NotReady> {
    let checked =
        |issuer, outcome: Result<(), Duration>| outcome.map_err(|retry_after| NotReady { issuer, retry_after });
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
