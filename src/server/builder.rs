//! From settings to a server: everything that can be wrong is found here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::ResourceServer;
use super::check::{check_issuer, check_range, check_resource, check_unique, check_url, metadata_url};
use super::issuer::{Issuer, Keys};
use crate::challenge::{ChallengeSettings, Quotable};
use crate::error::ConfigError;
use crate::jwt::IssuerRules;
#[cfg(feature = "http-client")]
use crate::keys::http_client::{ClientSettings, HttpClient};
use crate::keys::{Fetch, KeyRules, KeySet, KeySource, KeyStore, Origin};
use crate::middleware::{Answers, OnReject, RejectionBody, State};
use crate::rejection::Rejection;
use crate::signature::Algorithm;
use crate::time::{Clock, SystemClock};

const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);
const MAX_LEEWAY: Duration = Duration::from_secs(5 * 60);
const DEFAULT_TOKEN_BYTES: usize = 8 * 1024;
const MAX_TOKEN_BYTES: usize = 1024 * 1024;
const DEFAULT_STALE: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_STALE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Builds a [`ResourceServer`]. Made by [`ResourceServer::builder`].
#[must_use]
pub struct Builder {
    issuers: Vec<Issuer>,
    resources: Vec<String>,
    leeway: Duration,
    max_token_bytes: usize,
    stale_for: Duration,
    realm: Option<String>,
    resource_metadata: Option<String>,
    on_reject: Option<OnReject>,
    clock: Arc<dyn Clock>,
    fetch: Option<Arc<dyn Fetch>>,
    allow_http: bool,
    #[cfg(feature = "http-client")]
    client: ClientSettings,
}

impl Builder {
    pub(super) fn new(issuer: Issuer, resource: String) -> Self {
        Self {
            issuers: vec![issuer],
            resources: vec![resource],
            leeway: DEFAULT_LEEWAY,
            max_token_bytes: DEFAULT_TOKEN_BYTES,
            stale_for: DEFAULT_STALE,
            realm: None,
            resource_metadata: None,
            on_reject: None,
            clock: Arc::new(SystemClock::new()),
            fetch: None,
            allow_http: false,
            #[cfg(feature = "http-client")]
            client: ClientSettings::default(),
        }
    }

    /// Another issuer entry. Policies must then say `issued_by(name)` or `any_issuer()`.
    pub fn issuer(mut self, issuer: impl Into<Issuer>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// Another resource indicator of this server, for [`resource_at`](crate::policy::resource_at).
    pub fn resource(mut self, indicator: impl Into<String>) -> Self {
        self.resources.push(indicator.into());
        self
    }

    /// How far clocks may be apart when `exp`, `nbf` and `iat` are judged. Default: 60 s; five minutes at most.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The largest token that is looked at, in bytes. Default: 8 KiB; 1 MiB at most.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// How long keys past their life time serve while the issuer cannot be reached. Default: 24 h; zero is allowed, 30
    /// days at most. Stale keys verify what they know and never answer for an unknown `kid`.
    pub fn stale_for(mut self, duration: Duration) -> Self {
        self.stale_for = duration;
        self
    }

    /// The `realm` of every challenge. Default: the resource indicator.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Where this API's protected resource metadata is (RFC 9728), for the challenge's `resource_metadata`.
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.resource_metadata = Some(url.into());
        self
    }

    /// Shapes the body of every refusal. It is given the rejection and the request's headers; status and headers of the
    /// answer, the challenge among them, are set afterwards and cannot be changed.
    ///
    /// On a route that hides its organization every denial looks the same to the hook, too.
    pub fn on_reject(mut self, hook: impl Fn(&Rejection, &HeaderMap) -> RejectionBody + Send + Sync + 'static) -> Self {
        self.on_reject = Some(Arc::new(hook));
        self
    }

    /// Where the time comes from. Default: the system's clocks.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Fetches documents instead of the built-in client, whose settings are then of no effect.
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Trusts this root certificate (PEM, one or more) besides the platform's when documents are fetched.
    #[cfg(feature = "http-client")]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.client.root_certificates.push(pem.into());
        self
    }

    /// Fetches documents through this proxy. The environment's proxy settings are never used.
    #[cfg(feature = "http-client")]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.client.proxy = Some(url.into());
        self
    }

    /// The `User-Agent` of fetches. Default: `orgate/` and the version.
    #[cfg(feature = "http-client")]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.client.user_agent = Some(user_agent.into());
        self
    }

    /// Allows issuers and key sets at `http://`. Whoever can change what goes over that wire can then sign tokens.
    /// (Loopback needs no permission.)
    pub fn dangerous_allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// Checks everything. Does no I/O.
    ///
    /// # Errors
    ///
    /// The first setting that must not run, with its value.
    pub fn build(self) -> Result<ResourceServer, ConfigError> {
        check_range("leeway", self.leeway, MAX_LEEWAY)?;
        check_range("stale_for", self.stale_for, MAX_STALE)?;
        if !(1..=MAX_TOKEN_BYTES).contains(&self.max_token_bytes) {
            return Err(ConfigError::new(format_args!(
                "max_token_bytes {}: not in 1 ..= {MAX_TOKEN_BYTES}",
                self.max_token_bytes
            )));
        }
        let realm = self.realm.as_deref().or(self.resources.first().map(String::as_str)).unwrap_or_default();
        let challenge = ChallengeSettings {
            realm: Quotable::new("realm", realm)?,
            resource_metadata: self.resource_metadata.as_deref().map(metadata_url).transpose()?,
        };
        let entries = self.issuers.iter().map(|issuer| self.rules(issuer)).collect::<Result<Vec<_>, _>>()?;
        check_unique("issuer name", entries.iter().map(|rules| &*rules.name))?;
        check_unique("issuer", entries.iter().flat_map(|rules| &rules.issuers).map(|issuer| &**issuer))?;
        let fetch = self.fetcher()?;
        let keys = self.issuers.iter().zip(&entries).map(|(issuer, rules)| self.store(issuer, rules, fetch.as_ref()));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let state = State {
            entries: entries.into(),
            keys,
            clock: self.clock,
            max_token_bytes: self.max_token_bytes,
            answers: Answers { challenge, on_reject: self.on_reject },
        };
        Ok(ResourceServer { state: Arc::new(state) })
    }

    fn rules(&self, issuer: &Issuer) -> Result<IssuerRules, ConfigError> {
        for url in &issuer.urls {
            check_issuer(url, self.allow_http)?;
        }
        let resources = if issuer.resources.is_empty() { &self.resources } else { &issuer.resources };
        for resource in resources {
            check_resource(resource, issuer.profile)?;
        }
        if issuer.algorithms.is_empty() {
            return Err(ConfigError::new(format_args!("issuer {:?}: an empty list of algorithms", issuer.urls)));
        }
        for claim in [&issuer.organization_claim, &issuer.scope_claim] {
            if claim.is_empty() {
                return Err(ConfigError::new(format_args!("issuer {:?}: a claim without a name", issuer.urls)));
            }
        }
        let name = issuer.name.as_ref().or(issuer.urls.first()).cloned().unwrap_or_default();
        Ok(IssuerRules {
            name: name.into(),
            issuers: issuer.urls.iter().map(|url| url.as_str().into()).collect(),
            resources: resources.iter().map(|resource| resource.as_str().into()).collect(),
            algorithms: issuer.algorithms.clone(),
            profile: issuer.profile,
            machine_marks: issuer.machine_marks.clone(),
            organization_claim: issuer.organization_claim.clone(),
            scope_claim: issuer.scope_claim.clone(),
            scope_form: issuer.scope_form,
            leeway: self.leeway,
        })
    }

    fn store(
        &self,
        issuer: &Issuer,
        rules: &IssuerRules,
        fetch: Option<&Arc<dyn Fetch>>,
    ) -> Result<KeyStore, ConfigError> {
        let rsa_default = issuer.rsa_algorithm.unwrap_or(Algorithm::Rs256);
        let stated_wrongly =
            issuer.rsa_algorithm.filter(|algorithm| !algorithm.is_rsa() || !rules.algorithms.contains(algorithm));
        if let Some(algorithm) = stated_wrongly {
            return Err(ConfigError::new(format_args!(
                "rsa_algorithm {algorithm}: not an allowed RSA algorithm of issuer {:?}",
                rules.name
            )));
        }
        let key_rules = KeyRules { algorithms: rules.algorithms.clone(), rsa_default };
        let source = match &issuer.keys {
            Keys::Json(json) => {
                let (set, skipped) = KeySet::parse(json.as_bytes(), &key_rules).map_err(|reason| {
                    ConfigError::new(format_args!("the key set of issuer {:?}: {reason}", rules.name))
                })?;
                if !skipped.is_empty() {
                    tracing::warn!(target: "orgate", issuer = &*rules.name, skipped = skipped.join("; "), "keys that cannot be used");
                }
                return Ok(KeyStore::fixed(set, self.clock.clone()));
            }
            Keys::Url(url) => KeySource::Url(check_url("jwks_url", url, self.allow_http)?),
            Keys::Discovery => {
                let issuer = rules
                    .issuers
                    .first()
                    .cloned()
                    .ok_or_else(|| ConfigError::new("an issuer entry without an issuer"))?;
                KeySource::Discovery { issuer }
            }
        };
        let fetch = fetch.cloned().ok_or_else(|| {
            ConfigError::new(format_args!(
                "issuer {:?}: its keys must be fetched, and there is no client: enable the feature http-client, or use fetch(..)",
                rules.name
            ))
        })?;
        let origin = Origin { name: rules.name.clone(), source, rules: key_rules, fetch, allow_http: self.allow_http };
        Ok(KeyStore::fetching(origin, self.stale_for, self.clock.clone()))
    }

    #[cfg(feature = "http-client")]
    fn fetcher(&self) -> Result<Option<Arc<dyn Fetch>>, ConfigError> {
        let fetches = self.issuers.iter().any(|issuer| !matches!(issuer.keys, Keys::Json(_)));
        match &self.fetch {
            Some(fetch) => Ok(Some(fetch.clone())),
            None if fetches => Ok(Some(Arc::new(HttpClient::new(&self.client)?))),
            None => Ok(None),
        }
    }

    #[cfg(not(feature = "http-client"))]
    #[allow(clippy::unnecessary_wraps)]
    fn fetcher(&self) -> Result<Option<Arc<dyn Fetch>>, ConfigError> {
        Ok(self.fetch.clone())
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("issuers", &self.issuers)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
