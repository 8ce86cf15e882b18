//! The trusted issuers: whose keys apply to a token, and by which rules it is read.

use std::collections::HashMap;
use std::sync::Arc;

use super::clock::IssuerClock;
use super::keys::KeyStore;
use super::rules::IssuerRules;
use crate::error::ConfigError;
use crate::permissions::Source;
use crate::token::IssuerId;

/// One issuer entry: rules and keys.
pub(crate) struct TrustedIssuer {
    pub(crate) id: IssuerId,
    pub(crate) rules: IssuerRules,
    pub(crate) keys: KeyStore,
    pub(crate) clock: Arc<IssuerClock>,
    pub(crate) permissions: Option<Source>,
}

/// All entries, by every `iss` value that they are known by. A value: a change makes a new one.
#[derive(Clone, Default)]
pub(crate) struct TrustedIssuers {
    all: Vec<Arc<TrustedIssuer>>,
    /// Anybody can ask, but only the operator puts names in, so a quick hash cannot be flooded.
    by_issuer: HashMap<Arc<str>, Arc<TrustedIssuer>, quick_cache::DefaultHashBuilder>,
}

impl TrustedIssuers {
    /// # Errors
    ///
    /// When another entry has the name or one of the `iss` values.
    pub(crate) fn with(&self, entry: TrustedIssuer) -> Result<Self, ConfigError> {
        let mut entries = self.clone();
        let entry = Arc::new(entry);
        if self.named(&entry.rules.name).is_some() {
            return Err(ConfigError::new(format_args!("issuer name {:?} is there twice", entry.rules.name)));
        }
        for issuer in &entry.rules.issuers {
            if entries.by_issuer.insert(issuer.clone(), entry.clone()).is_some() {
                return Err(ConfigError::new(format_args!("issuer {issuer:?} is there twice")));
            }
        }
        entries.all.push(entry);
        Ok(entries)
    }

    /// Without the entry of that name; `None` if there is none.
    pub(crate) fn without(&self, name: &str) -> Option<Self> {
        self.named(name)?;
        let others = |entry: &Arc<TrustedIssuer>| *entry.rules.name != *name;
        Some(Self {
            all: self.all.iter().filter(|entry| others(entry)).cloned().collect(),
            by_issuer: self
                .by_issuer
                .iter()
                .filter(|(_, entry)| others(entry))
                .map(|(iss, entry)| (iss.clone(), entry.clone()))
                .collect(),
        })
    }

    /// The entry that trusts this `iss` value, compared exactly.
    pub(crate) fn trusted(&self, issuer: &str) -> Option<(&Arc<str>, &Arc<TrustedIssuer>)> {
        self.by_issuer.get_key_value(issuer)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<TrustedIssuer>> {
        self.all.iter().find(|entry| *entry.rules.name == *name)
    }

    /// In the order in which they were added.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<TrustedIssuer>> {
        self.all.iter()
    }
}
