//! What the registry knows of a lease, and what else may watch.

use std::sync::Arc;

use super::ended::Ended;
use crate::change::{About, Epoch};
use crate::future::BoxFuture;
use crate::permissions::{Snapshot, SourceError, Waited};
use crate::time::Now;

/// A lease, as the registry sees it.
pub(super) trait Watch: Send + Sync {
    /// Whether it is over. It has itself looked at again when that is due.
    fn look(&self, now: &Now) -> bool;

    /// Whether the issuer no longer has its key. Then that is so for all that rest on that key.
    fn lacks_its_key(&self, now: &Now) -> bool;

    /// What its subject holds has been asked for since `arrival`.
    fn judge(&self, arrival: Epoch, waited: &Waited, now: &Now);

    /// Decides anew whether it is granted.
    fn rejudge(self: Arc<Self>) -> BoxFuture<'static, ()>;

    /// Has whoever waits for its end look. Neither blocks nor looks itself.
    fn wake(&self);

    /// A change that concerns it took effect. As [`wake`](Self::wake).
    fn hear(&self, about: &About, at: Epoch);

    fn end(&self, ended: Ended);

    /// Whether requests are rejected because the change log has not been heard of.
    fn is_behind(&self, now: &Now) -> bool;
}

/// Hears what concerns a lease while it lasts: a feed is a lease with a listener.
pub(crate) trait Listener: Send + Sync {
    /// A change that concerns the lease took effect, whether or not it ends it. Called under the lock that orders changes: it
    /// must neither block, nor look at the lease, nor apply changes.
    fn changed(&self, about: &About, at: Epoch);

    /// What the lease's subject holds was asked for: within each bound, and after each change.
    fn asked(&self, outcome: &Result<Arc<Snapshot>, SourceError>);

    /// The lease is over.
    fn ended(&self, ended: Ended);
}
