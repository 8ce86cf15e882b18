//! What the application knows of changes at the issuer.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::ResourceServer;
use crate::change::revocations::Revocation;
use crate::decision::Decider;
use crate::permissions::{Change, LiveCounts};

impl ResourceServer {
    /// Something changed at an issuer: what was known about it before does not serve any more, from the next request on.
    ///
    /// `at` is when it changed, by the issuer's clock: of two reports about one thing the older one changes nothing, so they
    /// may come twice and in any order. `false` if there is no entry of that name with a source of permissions.
    #[allow(clippy::must_use_candidate, reason = "what is not known needs no forgetting")]
    #[allow(clippy::needless_pass_by_value, reason = "a change is made to be told")]
    pub fn permissions_changed(&self, issuer_name: &str, change: Change, at: SystemTime) -> bool {
        let entries = self.state.entries.load();
        let source = entries.named(issuer_name).and_then(|entry| entry.permissions.as_ref());
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let is_news = source.is_none_or(|source| self.state.live.permissions.invalidate(source, change.clone(), at));
        if let Some(decider) = self.state.decider.as_ref().filter(|_| is_news) {
            forget(decider, issuer_name, &change);
        }
        source.is_some()
    }
}

impl ResourceServer {
    /// Revokes by hand: from the next request on the tokens count no longer, those verified before too.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use orgate::ResourceServer;
    /// use orgate::change::revocations::Revocation;
    ///
    /// # let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
    /// // A lost phone: every token that was issued to this client until now.
    /// let revocation = Revocation::Client { client: "mobile-app", not_before: SystemTime::now() };
    /// server.revoke("https://tenant.logto.app/oidc", revocation);
    /// # Ok::<(), orgate::ConfigError>(())
    /// ```
    pub fn revoke(&self, issuer_name: &str, revocation: Revocation<'_>) {
        self.state.revocations.record(issuer_name, revocation, self.state.clock.now());
    }

    /// What live permissions have cost so far, and where a route was let through without them.
    #[must_use]
    pub fn live_counts(&self) -> LiveCounts {
        let counts = &self.state.live.permissions.counts;
        LiveCounts {
            fetches: counts.fetches.load(Ordering::Relaxed),
            failures: counts.failures.load(Ordering::Relaxed),
            stale: counts.stale.load(Ordering::Relaxed),
            token_only: counts.token_only.load(Ordering::Relaxed),
        }
    }
}

/// What a decision point said may rest on the same permissions.
fn forget(decider: &Decider, issuer_name: &str, change: &Change) {
    match change {
        Change::Subject(subject) | Change::Member { subject, .. } => decider.forget_subject(issuer_name, subject),
        Change::Organization(organization) => decider.forget_organization(issuer_name, organization),
        Change::OrganizationTemplate | Change::ApiPermissions | Change::Everything => decider.forget_all(),
    }
}
