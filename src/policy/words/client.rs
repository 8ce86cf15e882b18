//! Words about the client.

use crate::policy::condition::{Clients, Condition};
use crate::policy::value::Policy;

/// Requires a token that was issued to one of these clients.
///
/// ```
/// use orgate::policy::{client, resource};
///
/// let policy = resource().and(client(["back-office", "cron"]));
/// assert_eq!(policy.to_string(), "resource and client [back-office cron]");
/// ```
pub fn client<S: AsRef<str>>(ids: impl IntoIterator<Item = S>) -> Policy {
    let ids: Vec<Box<str>> = ids.into_iter().map(|id| id.as_ref().into()).collect();
    let written = format!("client {ids:?}");
    Policy::conditional(Clients::new(ids).map(Condition::Clients).map_err(|fault| (written, fault)))
}

impl Policy {
    /// Adds [`client`]: accepts only tokens that were issued to one of these clients.
    pub fn client<S: AsRef<str>>(self, ids: impl IntoIterator<Item = S>) -> Self {
        self.and(client(ids))
    }
}
