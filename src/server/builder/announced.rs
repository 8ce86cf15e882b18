//! What a server says of itself: realm, metadata, and what its scopes mean.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Builder;
use crate::error::ConfigError;
use crate::http::url::{PlainHttp, is_issuer_identifier};
use crate::issuer::Issuer;
use crate::respond::{ChallengeSettings, Metadata, Quotable};
use crate::scope::{Scope, ScopeTexts};
use crate::server::check::metadata_url;
use crate::token::binding::Bindings;

/// The settings, not yet checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Announced {
    realm: Option<String>,
    resource_metadata: Option<String>,
    metadata: Option<Metadata>,
    scopes: Option<Vec<(String, String)>>,
}

impl Builder {
    /// Sets the `realm` of every challenge. Default: the resource indicator.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.announced.realm = Some(realm.into());
        self
    }

    /// Serves protected resource metadata (RFC 9728), and names the matching document in each challenge.
    ///
    /// A guard has a public route for the document of each indicator that its policies use; elsewhere
    /// [`metadata_layer`](crate::ResourceServer::metadata_layer) serves them. Every indicator must be an `https` URL (or on
    /// loopback), since its document is found by it.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.announced.metadata = Some(metadata);
        self
    }

    /// Sets the URL that every challenge names as `resource_metadata`, in place of those that follow from the indicators: for
    /// a document that is elsewhere, and where a gateway rewrites paths.
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.announced.resource_metadata = Some(url.into());
        self
    }

    /// Describes what each scope permits, in words for people. A policy with any other scope is then a [`ConfigError`].
    ///
    /// ```
    /// use orgate::policy::resource;
    /// use orgate::ResourceServer;
    ///
    /// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
    ///     .scopes([("read:orders", "See orders"), ("write:orders", "Place and change orders")])
    ///     .build()?;
    /// assert!(server.require(resource().scope("read:orders")).is_ok());
    /// assert!(server.require(resource().scope("read:order")).is_err());
    /// # Ok::<(), orgate::ConfigError>(())
    /// ```
    pub fn scopes<S: Into<String>, T: Into<String>>(mut self, texts: impl IntoIterator<Item = (S, T)>) -> Self {
        self.announced.scopes = Some(texts.into_iter().map(|(scope, text)| (scope.into(), text.into())).collect());
        self
    }
}

impl Announced {
    /// What all challenges have in common.
    pub(super) fn challenge(
        &self,
        resources: &[String],
        issuers: &[Issuer],
        bindings: &Bindings,
        plain: PlainHttp,
    ) -> Result<ChallengeSettings, ConfigError> {
        let realm = self.realm.as_deref().or(resources.first().map(String::as_str)).unwrap_or_default();
        let documents = self.metadata.as_ref().map(|metadata| {
            let of_issuer = |issuer: &Issuer| if issuer.resources.is_empty() { resources.to_vec() } else { issuer.resources.clone() };
            let with_address: BTreeSet<String> = issuers
                .iter()
                .filter(|issuer| issuer.urls.first().is_some_and(|url| is_issuer_identifier(url)))
                .flat_map(of_issuer)
                .collect();
            let indicators: BTreeSet<String> = issuers.iter().flat_map(of_issuer).collect();
            if let Some(nowhere) = indicators.iter().find(|indicator| !with_address.contains(*indicator)) {
                return Err(ConfigError::new(format_args!(
                    "metadata: resource indicator {nowhere:?}: none of its issuers is a URL that a client could ask for a token"
                )));
            }
            let others = indicators.iter().filter(|indicator| !resources.contains(indicator));
            let indicators = resources.iter().filter(|indicator| indicators.contains(*indicator)).chain(others);
            metadata.build(indicators.map(String::as_str), plain, bindings.announced())
        });
        Ok(ChallengeSettings {
            realm: Quotable::new("realm", realm)?,
            resource_metadata: self.resource_metadata.as_deref().map(metadata_url).transpose()?,
            documents: documents.transpose()?.map(Arc::new),
            proof_algorithms: bindings.proof_algorithms().map(|names| Quotable::new("algs", &names)).transpose()?,
            takes_bearer: bindings.take_bearer(),
        })
    }

    /// The texts of scopes, which name those of the metadata too.
    pub(super) fn catalogue(&self) -> Result<ScopeTexts, ConfigError> {
        let Some(scopes) = &self.scopes else { return Ok(ScopeTexts::default()) };
        let texts = ScopeTexts::new(scopes)?;
        for scope in self.metadata.iter().flat_map(Metadata::named_scopes) {
            texts.check(&Scope::new(scope)?).map_err(|fault| fault.at("metadata"))?;
        }
        Ok(texts)
    }
}
