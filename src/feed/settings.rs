//! What a feed shows, to whom, and its limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::target::{FindTarget, Target};
use crate::policy::Policy;

/// The settings of a feed of permission changes: made by [`new`](Self::new), given to
/// [`ResourceServer::permission_feed`](crate::ResourceServer::permission_feed) or to a guard.
///
/// ```
/// use std::time::Duration;
/// use orgate::feed::PermissionFeed;
/// use orgate::policy::{organization, path};
///
/// let feed = PermissionFeed::new(organization(path("org")).fresh_within(Duration::from_secs(5)))
///     .scopes(["read:orders", "create:orders"])
///     .max_connections_of_subject(4);
/// # _ = feed;
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until a server makes a feed of them"]
pub struct PermissionFeed {
    pub(super) policy: Policy,
    pub(super) scopes: Vec<String>,
    pub(super) heartbeat: Duration,
    pub(super) slow_after: Duration,
    pub(super) most_bound: Option<Duration>,
    pub(super) most: usize,
    pub(super) most_of_subject: usize,
    pub(super) find: Option<FindTarget>,
}

impl PermissionFeed {
    /// Creates the settings of a feed for callers who meet this policy: what the token is for, and how fresh the answers must
    /// be ([`fresh_within`](Policy::fresh_within) or [`live`](Policy::live)).
    ///
    /// A loss without a webhook is reported within that time; under `live`, within five seconds. The policy must not ask
    /// written checks, authorization details or decision points, tolerate errors of the source, be optional or have a shadow.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            scopes: Vec::new(),
            heartbeat: Duration::from_secs(15),
            slow_after: Duration::from_secs(30),
            most_bound: None,
            most: 10_000,
            most_of_subject: 8,
            find: None,
        }
    }

    /// Adds scopes that the feed shows. No other one appears in it, whatever the token and its subject hold. There must be
    /// one, and 32 at most.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Sets how often an empty line is sent where nothing changes, so that proxies and clients know that the connection is
    /// alive: 1 s to 5 min, 15 s by default.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every;
        self
    }

    /// Sets how long a connection may leave what is due unread before it ends: 1 s to 10 min, 30 s by default. Nothing is
    /// queued for it meanwhile.
    pub fn slow_reader_after(mut self, after: Duration) -> Self {
        self.slow_after = after;
        self
    }

    /// Allows a change that no webhook tells of to be reported so late, where the permission source cannot be asked as often as
    /// the policy says ([`bound_up_to`](crate::lease::LeaseSettings::bound_up_to)). Default: one more connection receives 503.
    pub fn bound_up_to(mut self, most: Duration) -> Self {
        self.most_bound = Some(most);
        self
    }

    /// Sets how many connections the feed has at once: 1 to 1,000,000, 10,000 by default. One more receives 503.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Sets how many connections one subject has at once: 1 to 1,000, 8 by default. One more receives 503.
    pub fn max_connections_of_subject(mut self, most: usize) -> Self {
        self.most_of_subject = most;
        self
    }

    /// Sets where the routes are found that callers name with `?may=POST /orders`. A guard knows its own.
    pub fn routes(mut self, find: impl Fn(&Method, &str) -> Target + Send + Sync + 'static) -> Self {
        self.find = Some(Arc::new(find));
        self
    }
}

#[cfg(feature = "axum")]
impl PermissionFeed {
    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn require(mut self, more: Policy) -> Self {
        self.policy = self.policy.and(more);
        self
    }
}

impl fmt::Debug for PermissionFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermissionFeed")
            .field("policy", &self.policy.to_string())
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
