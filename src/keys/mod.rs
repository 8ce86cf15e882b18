//! Where keys come from, how long they live, and what happens while an issuer cannot be reached.
//!
//! Every issuer entry has one store. The store's life cycle is a pure state machine, fed with time and events; a thin
//! task per fetch does what it says. A request whose key is known never waits.

mod discovery;
mod fetch;
#[cfg(feature = "http-client")]
pub(crate) mod http_client;
mod jwk;
mod state;
mod store;

pub(crate) use discovery::{KeySource, Origin, is_loopback};
pub use fetch::{Fetch, FetchError, MAX_DOCUMENT_BYTES};
pub(crate) use jwk::{KeyRules, KeySet};
pub(crate) use store::{KeyRefusal, KeyStore, Lookup};

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

/// Waits for all at once: each wait is bounded by its store.
pub(crate) async fn all_ready(stores: Vec<(Arc<str>, KeyStore)>) -> Result<(), NotReady> {
    // The first poll of each starts its fetch; then they are waited for in turn.
    let mut waits: Vec<_> = stores.into_iter().map(|(issuer, store)| (issuer, tokio::spawn(async move { store.ready().await }))).collect();
    for (issuer, wait) in waits.drain(..) {
        if let Err(retry_after) = wait.await.unwrap_or(Err(Duration::from_secs(1))) {
            return Err(NotReady { issuer, retry_after });
        }
    }
    Ok(())
}
