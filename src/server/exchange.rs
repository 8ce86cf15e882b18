//! All issuer entries at once, as a configuration that was read anew names them.

use std::sync::Arc;

use super::ResourceServer;
use crate::error::ConfigError;
use crate::issuer::{Issuer, Lasting, TrustedIssuer, TrustedIssuers};

impl ResourceServer {
    /// Replaces the list of trusted issuers in one step, for a configuration that is read anew while requests are served. The
    /// first `iss` value says which entry is meant:
    ///
    /// - an entry with the same settings stays as it is, with its keys, verified tokens and revocations;
    /// - an entry with other settings is updated as [`IssuerHandle::update`](super::IssuerHandle::update) does it;
    /// - an issuer without an entry is added as [`add_issuer`](Self::add_issuer) does it, also under the name of an entry that
    ///   goes in the same step;
    /// - an entry that is not in the list is removed as [`IssuerHandle::remove`](super::IssuerHandle::remove) does it.
    ///
    /// ```
    /// # use orgate::{Issuer, ResourceServer};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let before = Issuer::new("https://tenant.logto.app/oidc").name("customers");
    /// let server = ResourceServer::builder(before, "https://api.example.com").build()?;
    /// server.set_issuers([Issuer::new("https://login.example.com/oidc").name("customers")])?;
    /// assert_eq!(server.issuers().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the first invalid setting, as `update` and `add_issuer` do, and an error if the list is empty. Then nothing
    /// has changed.
    pub fn set_issuers(&self, issuers: impl IntoIterator<Item = Issuer>) -> Result<(), ConfigError> {
        let issuers: Vec<Issuer> = issuers.into_iter().collect();
        loop {
            let old = self.state.entries.load_full();
            let new = self.with_issuers(&old, &issuers)?;
            // `None`: another change came first, and the entries are made anew.
            if self.state.changes.exchange(&old, new).is_some() {
                return Ok(());
            }
        }
    }

    fn with_issuers(&self, old: &TrustedIssuers, issuers: &[Issuer]) -> Result<TrustedIssuers, ConfigError> {
        let most = self.settings.max_issuers;
        if issuers.is_empty() || issuers.len() > most {
            return Err(ConfigError::new(format_args!("{} issuers: expected one to {most}", issuers.len())));
        }
        let entries = issuers.iter().map(|issuer| self.entry_for(old, issuer)).collect::<Result<Vec<_>, _>>()?;
        let entries = TrustedIssuers::of(entries)?;
        if entries.iter().len() > 1 {
            self.settings.has_others.note();
        }
        Ok(entries)
    }

    fn entry_for(&self, old: &TrustedIssuers, issuer: &Issuer) -> Result<Arc<TrustedIssuer>, ConfigError> {
        let iss = issuer.urls.first().map_or("", String::as_str);
        let known = old.iter().find(|entry| **entry.iss() == *iss);
        let entry = match known {
            Some(entry) if entry.settings == *issuer => return Ok(entry.clone()),
            Some(entry) => self.settings.updated(entry, issuer)?,
            None => {
                self.settings.check_added(issuer)?;
                let id = self.state.changes.identity(iss);
                self.settings.entry(issuer, id, Lasting::default())?
            }
        };
        let is_new_name = known.is_none_or(|old| old.rules.name != entry.rules.name);
        if let Some(decider) = self.state.decider.as_ref().filter(|_| is_new_name) {
            decider.known_issuers().check_added(&entry.rules.name)?;
        }
        Ok(Arc::new(entry))
    }
}
