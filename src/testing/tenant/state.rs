//! What one tenant is made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::directory::Directory;
use super::webhook::Outbox;
use crate::lock::lock;
use crate::testing::release::LogtoRelease;

/// What the handle, the grants and the server share.
pub(in crate::testing) struct Tenant {
    /// `http://127.0.0.1:{port}`.
    pub(super) origin: String,
    pub(super) release: LogtoRelease,
    pub(super) management_resource: String,
    pub(super) store: Mutex<Store>,
}

/// What changes.
#[derive(Default)]
pub(super) struct Store {
    pub(super) directory: Directory,
    /// By refresh token.
    pub(super) grants: HashMap<String, Consent>,
    /// By opaque access token.
    pub(super) opaque: HashMap<String, Opaque>,
    /// Users, by subject token, and until when it can be exchanged, since the Unix epoch.
    pub(super) subject_tokens: HashMap<String, (String, Duration)>,
    pub(super) outbox: Outbox,
    pub(super) limit: Option<Limit>,
}

/// What a user let a client do at sign-in.
#[derive(Debug)]
pub(super) struct Consent {
    pub(super) user: String,
    pub(super) client: String,
    /// What the client asked for.
    pub(super) requested: Vec<String>,
    /// What it got of API scopes then, by resource indicator. Later gains are not in it.
    pub(super) granted: BTreeMap<String, BTreeSet<String>>,
    /// In seconds since the Unix epoch.
    pub(super) issued_at: u64,
}

#[derive(Debug)]
pub(super) struct Opaque {
    pub(super) user: String,
    pub(super) client: String,
    pub(super) scope: String,
    pub(super) issued_at: u64,
    /// The refresh token of the grant, if there is one: the token ends with it.
    pub(super) grant: Option<String>,
}

/// So many requests in each window, by the monotonic hand of the issuer's clock.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) requests: usize,
    pub(super) window: Duration,
    pub(super) used: usize,
    pub(super) began: Duration,
}

impl Limit {
    /// How long to wait, if this request is one too many.
    pub(super) fn take(&mut self, now: Duration) -> Option<Duration> {
        if now.saturating_sub(self.began) >= self.window {
            self.began = now;
            self.used = 0;
        }
        if self.used >= self.requests {
            return Some(self.window.saturating_sub(now.saturating_sub(self.began)));
        }
        self.used += 1;
        None
    }
}

impl Tenant {
    pub(in crate::testing) const fn release(&self) -> LogtoRelease {
        self.release
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }
}

impl Store {
    /// The user's sign-ins are over: their refresh tokens and opaque tokens are dead, and stay so.
    pub(super) fn end_sign_ins(&mut self, user: &str) {
        self.grants.retain(|_, consent| consent.user != user);
        self.opaque.retain(|_, token| token.user != user);
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant").field("origin", &self.origin).field("release", &self.release).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_filled_and_passes() {
        let seconds = Duration::from_secs;
        let mut limit = Limit { requests: 2, window: seconds(10), used: 0, began: Duration::ZERO };
        assert_eq!([100, 101, 104].map(|now| limit.take(seconds(now))), [None, None, Some(seconds(6))]);
        assert_eq!([109, 110].map(|now| limit.take(seconds(now))), [Some(seconds(1)), None]);
    }
}
