//! The trusted issuers: whose keys apply to a token, and by which rules it is read.

use std::collections::HashMap;
use std::sync::Arc;

use super::clock::IssuerClock;
use super::keys::{Compromised, KeyStore};
use super::rules::IssuerRules;
use super::settings::Issuer;
use crate::change::Invalidations;
use crate::error::ConfigError;
use crate::permissions::Source;
use crate::respond::MetadataDocument;
use crate::token::IssuerId;
use crate::token::introspect::Introspector;

/// One issuer entry, with the settings that it has now: rules and keys.
pub(crate) struct TrustedIssuer {
    pub(crate) rules: IssuerRules,
    pub(crate) keys: KeyStore,
    pub(crate) clock: Arc<IssuerClock>,
    pub(crate) permissions: Option<Source>,
    /// Asks about opaque tokens.
    pub(crate) introspector: Option<Arc<Introspector>>,
    /// The metadata documents of indicators that came with it.
    pub(crate) documents: Vec<Arc<MetadataDocument>>,
    pub(crate) lasting: Lasting,
    /// What it was made from.
    pub(crate) settings: Issuer,
}

/// What an entry keeps whatever its settings are.
#[derive(Clone, Default)]
pub(crate) struct Lasting {
    /// From when on what the issuer said of its subjects is true.
    pub(crate) invalidations: Arc<Invalidations>,
    /// The keys that are never used again.
    pub(crate) compromised: Compromised,
}

impl TrustedIssuer {
    /// The same whatever its settings are.
    pub(crate) fn id(&self) -> IssuerId {
        self.rules.entry.issuer
    }

    /// The first `iss` value: what the entry is called outside this process.
    pub(crate) fn iss(&self) -> &Arc<str> {
        // An entry without an issuer is never made.
        self.rules.issuers.first().unwrap_or(&self.rules.name)
    }
}

/// All entries, by every `iss` value that they are known by. A value: a change makes a new one.
#[derive(Clone, Default)]
pub(crate) struct TrustedIssuers {
    all: Vec<Arc<TrustedIssuer>>,
    /// Anybody can ask, but only the operator puts names in, so a quick hash cannot be flooded.
    by_issuer: HashMap<Arc<str>, Arc<TrustedIssuer>, quick_cache::DefaultHashBuilder>,
    /// Whose opaque tokens are: they do not say so themselves.
    introspecting: Option<Arc<TrustedIssuer>>,
    /// The metadata documents of all entries.
    documents: Vec<Arc<MetadataDocument>>,
}

impl TrustedIssuers {
    /// With one more entry, or with another version of one that is there, in its place.
    ///
    /// # Errors
    ///
    /// Returns an error if another entry has the name or one of the `iss` values, or asks about opaque tokens too.
    pub(crate) fn with(&self, entry: Arc<TrustedIssuer>) -> Result<Self, ConfigError> {
        let mut all = self.all.clone();
        match all.iter_mut().find(|other| other.id() == entry.id()) {
            Some(other) => *other = entry,
            None => all.push(entry),
        }
        Self::of(all)
    }

    /// Without this entry; `None` if it is not there.
    pub(crate) fn without(&self, id: IssuerId) -> Option<Self> {
        let all: Vec<_> = self.all.iter().filter(|entry| entry.id() != id).cloned().collect();
        if all.len() == self.all.len() { None } else { Self::of(all).ok() }
    }

    /// # Errors
    ///
    /// Returns an error if two entries have one name or one `iss` value, or ask about opaque tokens.
    #[allow(clippy::needless_pass_by_value, reason = "it is kept")]
    pub(crate) fn of(all: Vec<Arc<TrustedIssuer>>) -> Result<Self, ConfigError> {
        let mut entries = Self::default();
        for entry in &all {
            if entries.named(&entry.rules.name).is_some() {
                return Err(ConfigError::new(format_args!("issuer name {:?} occurs twice", entry.rules.name)));
            }
            for issuer in &entry.rules.issuers {
                if entries.by_issuer.insert(issuer.clone(), entry.clone()).is_some() {
                    return Err(ConfigError::new(format_args!("issuer {issuer:?} occurs twice")));
                }
            }
            if entry.introspector.is_some()
                && let Some(other) = entries.introspecting.replace(entry.clone())
            {
                return Err(ConfigError::new(format_args!(
                    "introspection of the issuers {:?} and {:?}: an opaque token does not say whose it is, so only one may \
                     be asked",
                    other.rules.name, entry.rules.name
                )));
            }
            entries.documents.extend_from_slice(&entry.documents);
            entries.all.push(entry.clone());
        }
        Ok(entries)
    }

    /// The entry that trusts this `iss` value, compared exactly.
    pub(crate) fn trusted(&self, issuer: &str) -> Option<(&Arc<str>, &Arc<TrustedIssuer>)> {
        self.by_issuer.get_key_value(issuer)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<TrustedIssuer>> {
        self.all.iter().find(|entry| *entry.rules.name == *name)
    }

    pub(crate) fn get(&self, id: IssuerId) -> Option<&Arc<TrustedIssuer>> {
        self.all.iter().find(|entry| entry.id() == id)
    }

    /// The entry whose opaque tokens are taken.
    pub(crate) fn introspecting(&self) -> Option<&Arc<TrustedIssuer>> {
        self.introspecting.as_ref()
    }

    /// The metadata documents of the indicators that came with an entry.
    pub(crate) fn documents(&self) -> &[Arc<MetadataDocument>] {
        &self.documents
    }

    /// In the order in which they were added.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<TrustedIssuer>> {
        self.all.iter()
    }
}
