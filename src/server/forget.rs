//! Decisions that a server's issuer entries make obsolete.

use super::{IssuerHandle, IssuerRemoved};
use crate::change::{About, Epoch};
use crate::decision::Decider;

impl Decider {
    /// Drops the cached decisions about a subject of this issuer entry. A decision that is already on its way is not
    /// used.
    ///
    /// ```
    /// use orgate::decision::Decider;
    /// use orgate::server::{IssuerHandle, IssuerRemoved};
    ///
    /// // A webhook of another system said that this member's roles changed.
    /// fn roles_changed(decider: &Decider, issuer: &IssuerHandle) -> Result<(), IssuerRemoved> {
    ///     decider.forget_subject(issuer, "user_1")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`IssuerRemoved`] if the entry was removed.
    pub fn forget_subject(&self, issuer: &IssuerHandle, id: &str) -> Result<(), IssuerRemoved> {
        self.forget(issuer, &About::subject(id))
    }

    /// Drops the cached decisions about all subjects in an organization of this issuer entry. A decision that is already
    /// on its way is not used.
    ///
    /// # Errors
    ///
    /// Returns [`IssuerRemoved`] if the entry was removed.
    pub fn forget_organization(&self, issuer: &IssuerHandle, id: &str) -> Result<(), IssuerRemoved> {
        self.forget(issuer, &About::organization(id))
    }

    fn forget(&self, issuer: &IssuerHandle, about: &About) -> Result<(), IssuerRemoved> {
        self.invalidate(&issuer.name()?, about, Epoch::next());
        Ok(())
    }
}
