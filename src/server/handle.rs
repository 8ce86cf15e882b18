//! The handle of one issuer entry.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use super::ResourceServer;
use crate::change::{About, Change, Effect};
use crate::error::ConfigError;
use crate::issuer::keys::{self, KeySetStatus, RefreshError};
use crate::issuer::{Issuer, TrustedIssuer};
use crate::name::stable_names;
use crate::token::{AccessToken, IssuerId};

/// One issuer entry of a server. Made by [`ResourceServer::issuer`] and [`ResourceServer::add_issuer`].
///
/// A cheap clone, bound to the entry and not to its name: whatever was made for an entry ends with it, and an entry that is
/// added later under the same name is another one.
///
/// ```
/// use orgate::change::About;
/// use orgate::ResourceServer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = "https://tenant.logto.app/oidc";
/// let server = ResourceServer::builder(issuer, "https://api.example.com").build()?;
/// // A lost phone: every token that was issued to this client so far.
/// let until = server.issuer(issuer)?.revoke(About::client("mobile-app"))?;
/// # _ = until;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct IssuerHandle {
    server: ResourceServer,
    id: IssuerId,
    iss: Arc<str>,
}

impl IssuerHandle {
    pub(super) fn new(server: &ResourceServer, entry: &TrustedIssuer) -> Self {
        Self { server: server.clone(), id: entry.id(), iss: entry.iss().clone() }
    }

    /// Returns the first `iss` value of the entry, by which it is known outside this process.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.iss
    }

    /// Returns the entry's name.
    ///
    /// # Errors
    ///
    /// Returns [`IssuerRemoved`] if the entry was removed.
    pub fn name(&self) -> Result<Arc<str>, IssuerRemoved> {
        self.entry().map(|entry| entry.rules.name.clone())
    }

    /// Returns whether the entry was removed.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.entry().is_err()
    }

    /// Revokes tokens manually: rejects those that were issued until now, starting with the next request. Returns the
    /// end of the period whose tokens are rejected.
    ///
    /// That is this server's time plus the [leeway](super::Builder::leeway), because the issuer's clock may be ahead by as
    /// much. A token that is issued in between receives 401 with remediation `retry` and the time left.
    ///
    /// What can be revoked is a subject, a member, an organization, a client, a token or everyone. Other changes are made by
    /// [`apply_change`](Self::apply_change).
    ///
    /// # Errors
    ///
    /// Returns a [`ChangeError`] if no token is issued for what it is about (the organization template, API permissions), or
    /// the entry was removed.
    pub fn revoke(&self, about: About) -> Result<SystemTime, ChangeError> {
        let until = self.server.state.changes.hand_reaches();
        self.apply_change(&Change::not_before(self.iss.clone(), about, until))?;
        Ok(until)
    }

    /// Revokes one token by its `jti`. For a token without `jti`, revokes all tokens of its subject that were issued
    /// until now.
    ///
    /// # Errors
    ///
    /// Returns a [`ChangeError`] if the token is from another issuer entry, or the entry was removed.
    pub fn revoke_token(&self, token: &AccessToken) -> Result<(), ChangeError> {
        if token.entry().issuer != self.id {
            return Err(ChangeError::other(&self.iss, token.issuer()));
        }
        let about = match token.token_id() {
            Some(id) => About::token(id),
            None => About::Subject { subject: token.subject().shared_id().clone() },
        };
        self.revoke(about)?;
        Ok(())
    }

    /// Applies a change. When this returns, the next request is judged by it. Changes may be applied repeatedly and in
    /// any order.
    ///
    /// A moment in the future counts as now plus the [leeway](super::Builder::leeway); the end of a suspension that lies
    /// beyond is ignored.
    ///
    /// # Errors
    ///
    /// Returns a [`ChangeError`] if the change is of another issuer, or the entry was removed; also if it is no edit and has no
    /// effect, as a suspension of the organization template would have none.
    pub fn apply_change(&self, change: &Change) -> Result<(), ChangeError> {
        if change.issuer() != &*self.iss {
            return Err(ChangeError::other(&self.iss, change.issuer()));
        }
        if change.effect() != Effect::Edited && change.fact().is_none() {
            return Err(ChangeError::WithoutEffect { about: change.about().clone(), effect: change.effect() });
        }
        Ok(self.apply_all([change.clone()])?)
    }

    /// Waits as [`ResourceServer::changes_delivered`] does. For a handler of webhooks, after it has applied one.
    pub fn changes_delivered(&self) -> impl Future<Output = bool> + Send + use<> {
        self.server.changes_delivered()
    }

    pub(crate) fn apply_all(&self, changes: impl IntoIterator<Item = Change>) -> Result<(), IssuerRemoved> {
        self.server.state.changes.apply(self.id, changes).ok_or_else(|| self.removed())
    }

    /// Fetches the keys now, back-off or not, and waits for the outcome: twelve seconds at most.
    ///
    /// # Errors
    ///
    /// Returns a [`RefreshError`] if the fetch failed; the keys that were there stay. Likewise if the entry was removed: its
    /// [`source`](std::error::Error::source) is [`IssuerRemoved`] then.
    pub fn refresh_keys(&self) -> impl Future<Output = Result<(), RefreshError>> + Send + use<> {
        let entry = self.entry().map(|entry| (entry.rules.name.clone(), entry.keys.clone()));
        let entry = entry.map_err(|removed| RefreshError::removed(&self.iss, removed));
        async move {
            let (name, keys) = entry?;
            keys::refresh(name, keys).await
        }
    }

    /// Returns the key set document in use, for [`Issuer::seed_keys`]. `None` if there is no set that may be used.
    ///
    /// # Errors
    ///
    /// Returns [`IssuerRemoved`] if the entry was removed.
    pub fn export_keys(&self) -> Result<Option<String>, IssuerRemoved> {
        self.entry().map(|entry| entry.keys.export())
    }

    /// Returns the state of the key set, as [`ResourceServer::keys`] does for all entries.
    ///
    /// # Errors
    ///
    /// Returns [`IssuerRemoved`] if the entry was removed.
    pub fn key_status(&self) -> Result<KeySetStatus, IssuerRemoved> {
        self.entry().map(|entry| entry.keys.status(&entry.rules.name))
    }

    /// Replaces the entry's settings. Its identity stays, and with it this handle, routes and revocations.
    ///
    /// From the next request on tokens are verified anew by keys that are fetched anew; answers of the issuer, of the
    /// permission source and of the decision point are asked for again. If only the name differs, keys and permissions stay.
    ///
    /// # Errors
    ///
    /// Returns the first invalid setting. The first `iss` value must stay: another one is another issuer. Likewise if the
    /// entry was removed: the error's [`source`](std::error::Error::source) is [`IssuerRemoved`] then.
    pub fn update(&self, issuer: impl Into<Issuer>) -> Result<(), ConfigError> {
        let (issuer, server) = (issuer.into(), &self.server);
        loop {
            let old = self.entry().map_err(ConfigError::caused_by)?;
            let new = Arc::new(server.settings.updated(&old, &issuer)?);
            if let Some(decider) = server.state.decider.as_ref().filter(|_| new.rules.name != old.rules.name) {
                decider.known_issuers().check_added(&new.rules.name)?;
            }
            // `None`: somebody else updated or removed it meanwhile.
            if let Some(outcome) = server.state.changes.update(&old, |entries| entries.with(new)) {
                return outcome;
            }
        }
    }

    /// Removes the entry: its tokens are rejected from the next request on, and all that was known of it is forgotten, what
    /// was revoked and suspended included.
    ///
    /// An entry that is added later under the same name takes its place in policies that say
    /// [`issued_by`](crate::policy::issued_by) that name, and nowhere else.
    ///
    /// # Errors
    ///
    /// Returns [`IssuerRemoved`] if it was removed before.
    pub fn remove(&self) -> Result<(), IssuerRemoved> {
        self.server.state.changes.remove(self.id).ok_or_else(|| self.removed())
    }

    fn entry(&self) -> Result<Arc<TrustedIssuer>, IssuerRemoved> {
        self.server.state.entries.load().get(self.id).cloned().ok_or_else(|| self.removed())
    }

    pub(crate) fn removed(&self) -> IssuerRemoved {
        IssuerRemoved { issuer: self.iss.clone() }
    }

    #[cfg(feature = "logto")]
    pub(crate) fn server(&self) -> &ResourceServer {
        &self.server
    }
}

impl fmt::Debug for IssuerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerHandle").field("issuer", &self.iss).finish_non_exhaustive()
    }
}

/// An error of a handle: its issuer entry was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerRemoved {
    issuer: Arc<str>,
}

impl IssuerRemoved {
    /// Returns the first `iss` value that the entry had.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

impl fmt::Display for IssuerRemoved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the entry of issuer {:?} was removed", self.issuer)
    }
}

impl std::error::Error for IssuerRemoved {}

/// An error of a change that was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeError {
    /// The issuer entry was removed.
    Removed(IssuerRemoved),
    /// The change, or the token, is of another issuer than the handle.
    #[non_exhaustive]
    OtherIssuer {
        /// The first `iss` value of the handle's entry.
        expected: Arc<str>,
        /// The issuer that was named.
        found: Arc<str>,
    },
    /// The change would neither reject nor restore anything.
    #[non_exhaustive]
    WithoutEffect {
        /// What it is about.
        about: About,
        /// What it would do.
        effect: Effect,
    },
}

stable_names!(ChangeError {
    Removed => "removed",
    OtherIssuer => "other_issuer",
    WithoutEffect => "without_effect",
});

impl ChangeError {
    fn other(expected: &Arc<str>, found: &str) -> Self {
        Self::OtherIssuer { expected: expected.clone(), found: found.into() }
    }
}

impl From<IssuerRemoved> for ChangeError {
    fn from(removed: IssuerRemoved) -> Self {
        Self::Removed(removed)
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed(removed) => removed.fmt(f),
            Self::OtherIssuer { expected, found } => write!(f, "expected issuer {expected:?}, found {found:?}"),
            Self::WithoutEffect { about, effect } => {
                write!(f, "{effect:?} has no effect on {about:?}: no token is issued for it")
            }
        }
    }
}

impl std::error::Error for ChangeError {}
