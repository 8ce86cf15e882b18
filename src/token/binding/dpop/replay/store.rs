//! A memory of used proofs that several replicas share.

use std::borrow::Cow;
use std::fmt;

use super::ProofUse;
use crate::future::BoxFuture;

/// Remembers used proofs for a fleet. For [`Dpop::replay_store`](super::super::Dpop::replay_store).
///
/// Without one, each process remembers the proofs that it has seen, and a proof passes once at each replica.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use orgate::future::BoxFuture;
/// use orgate::token::binding::{ProofUse, ReplayStore, ReplayStoreError};
///
/// /// Never forgets, so it is for a test.
/// struct InMemory(Mutex<HashMap<String, String>>);
///
/// impl ReplayStore for InMemory {
///     fn record<'a>(&'a self, used: &'a ProofUse) -> BoxFuture<'a, Result<Option<String>, ReplayStoreError>> {
///         Box::pin(async move {
///             let mut held = self.0.lock().map_err(|_| ReplayStoreError::new("poisoned"))?;
///             let earlier = held.get(used.key()).cloned();
///             if earlier.is_none() {
///                 held.insert(used.key().to_owned(), used.mark().to_owned());
///             }
///             Ok(earlier)
///         })
///     }
/// }
/// ```
pub trait ReplayStore: Send + Sync + 'static {
    /// Records a use, unless one is recorded under the same key, in one atomic step. Returns the mark that was recorded
    /// earlier, or `None` if this use is the first.
    ///
    /// A record is kept for [`ProofUse::time_to_live`], and never forgotten earlier. In Redis this is
    /// `SET key mark NX GET PX time_to_live`.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not known whether the proof was used: the store cannot be reached, or has no room. The
    /// request receives 503.
    fn record<'a>(&'a self, used: &'a ProofUse) -> BoxFuture<'a, Result<Option<String>, ReplayStoreError>>;
}

/// An error of a shared store: it could not tell whether a proof was used.
///
/// ```
/// use orgate::token::binding::ReplayStoreError;
///
/// let error = ReplayStoreError::new("the store cannot be reached");
/// assert_eq!(error.to_string(), "the store cannot be reached");
/// ```
#[derive(Clone, Debug)]
pub struct ReplayStoreError(Cow<'static, str>);

impl ReplayStoreError {
    /// Creates an error with a text for the log. The text must not contain a secret.
    #[must_use]
    pub fn new(detail: impl Into<Cow<'static, str>>) -> Self {
        Self(detail.into())
    }
}

impl fmt::Display for ReplayStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReplayStoreError {}
