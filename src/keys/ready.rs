//! Waiting for keys before the first request does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::store::KeyStore;

/// An issuer has no keys yet.
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

/// Waits for all at once: each wait is bounded by its store. Outside a tokio runtime nothing can be waited for.
pub(crate) async fn all_ready(stores: Vec<(Arc<str>, KeyStore)>) -> Result<(), NotReady> {
    if let (Err(_), Some((issuer, _))) = (tokio::runtime::Handle::try_current(), stores.first()) {
        return Err(NotReady { issuer: issuer.clone(), retry_after: Duration::from_secs(1) });
    }
    // The first poll of each starts its fetch; then they are waited for in turn.
    let mut waits: Vec<_> =
        stores.into_iter().map(|(issuer, store)| (issuer, tokio::spawn(async move { store.ready().await }))).collect();
    for (issuer, wait) in waits.drain(..) {
        if let Err(retry_after) = wait.await.unwrap_or(Err(Duration::from_secs(1))) {
            return Err(NotReady { issuer, retry_after });
        }
    }
    Ok(())
}
