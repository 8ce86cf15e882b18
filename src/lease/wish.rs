//! What a lease is made with beside the grant.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use super::watch::Listener;

/// Settings of a lease, for [`Grant::lease_with`](crate::engine::Grant::lease_with).
///
/// ```
/// use std::time::Duration;
/// use orgate::Rejection;
/// use orgate::engine::Grant;
/// use orgate::lease::{Lease, LeaseSettings};
///
/// fn watch(grant: &Grant, request: &http::request::Parts) -> Result<Lease, Rejection> {
///     grant.lease_with(&LeaseSettings::new().request(request).bound_up_to(Duration::from_secs(60)))
/// }
/// ```
#[derive(Clone, Default)]
pub struct LeaseSettings {
    pub(super) most_bound: Option<Duration>,
    pub(super) request: Option<Box<Parts>>,
    pub(super) listener: Option<Arc<dyn Listener>>,
}

impl LeaseSettings {
    /// Creates the default settings: the route's bound, and no request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows a loss of permissions without a webhook to stay unnoticed for up to this time, if the permission source
    /// cannot be asked as often as the route requires. [`Lease::bound`](super::Lease::bound) returns the actual time.
    /// Default: such a lease is rejected with 503.
    #[must_use]
    pub fn bound_up_to(mut self, most: Duration) -> Self {
        self.most_bound = Some(most);
        self
    }

    /// Adds the request that was granted. Policies with checks, authorization details, decision points or closures need
    /// it to be judged again, and so do opaque tokens. Only the needed parts are kept, without credentials other than an opaque
    /// token itself.
    #[must_use]
    pub fn request(mut self, request: &Parts) -> Self {
        self.request = Some(Box::new(request.clone()));
        self
    }

    /// Has a listener hear what concerns the lease.
    #[must_use]
    pub(crate) fn listener(mut self, listener: Arc<dyn Listener>) -> Self {
        self.listener = Some(listener);
        self
    }
}

impl std::fmt::Debug for LeaseSettings {
    /// Without the request: one of its headers is the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseSettings").field("most_bound", &self.most_bound).finish_non_exhaustive()
    }
}
