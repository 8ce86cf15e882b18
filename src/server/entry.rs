//! From the settings of an issuer to its entry: at startup, and when one is added at run time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::check::{check_issuer, check_issuer_name, check_name, check_resource, check_url};
use crate::error::ConfigError;
use crate::http::url::is_issuer_identifier;
use crate::http::{Fetch, HttpClient};
use crate::issuer::keys::{Compromised, Document, KeyRules, KeySet, KeySource, KeyStore, Origin, RefreshSettings};
use crate::issuer::{Dated, Issuer, IssuerClock, Keys, Lasting};
use crate::issuer::{IssuerRules, Profile, TrustedIssuer, TrustedIssuers};
use crate::logto::preset;
use crate::permissions::Source;
use crate::respond::{Documents, MetadataDocument};
use crate::scoped::{EntryName, Others};
use crate::signature::Algorithm;
use crate::time::Clock;
use crate::token::introspect::Introspector;
use crate::token::{EntryVersion, Introspection, IssuerId};

const PLAIN_HTTP: &str = "plain http, which an issuer that is added or changed at run time may have only with dangerous_allow_http, on loopback too";

/// What all entries of a server have in common.
pub(super) struct EntrySettings {
    pub(super) resources: Vec<String>,
    pub(super) leeway: Duration,
    pub(super) life: RefreshSettings,
    pub(super) allow_http: bool,
    pub(super) max_issuers: usize,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) client: HttpClient,
    pub(super) has_others: Others,
    /// The metadata documents that the server has from the start, if it has any.
    pub(super) documents: Option<Arc<Documents>>,
}

impl EntrySettings {
    /// What holds for an issuer that comes at run time: whoever names it must not reach this machine's own ports.
    pub(super) fn check_added(&self, issuer: &Issuer) -> Result<(), ConfigError> {
        if let Some(ask) = issuer.introspection.as_ref().filter(|_| !self.allow_http) {
            let endpoint = check_url("introspection endpoint", &ask.endpoint, false)?;
            if endpoint.scheme_str() == Some("http") && !is_test_issuer(&endpoint) {
                return Err(ConfigError::new(format_args!("introspection endpoint {:?}: {PLAIN_HTTP}", ask.endpoint)));
            }
        }
        let (what, text) = match (&issuer.keys, issuer.urls.first()) {
            (Keys::Url(url), _) => ("jwks_uri", url),
            (Keys::Discovery, Some(url)) => ("issuer", url),
            _ => return Ok(()),
        };
        let url = check_url(what, text, self.allow_http)?;
        if self.allow_http || url.scheme_str() != Some("http") || is_test_issuer(&url) {
            return Ok(());
        }
        Err(ConfigError::new(format_args!("{what} {text:?}: {PLAIN_HTTP}")))
    }

    /// The entries with one more.
    pub(super) fn add(
        &self,
        entries: &TrustedIssuers,
        entry: Arc<TrustedIssuer>,
    ) -> Result<TrustedIssuers, ConfigError> {
        if entries.iter().len() >= self.max_issuers {
            return Err(ConfigError::new(format_args!(
                "issuer {:?}: there are {} entries already",
                entry.rules.issuers, self.max_issuers
            )));
        }
        let more = entries.with(entry)?;
        if more.iter().len() > 1 {
            self.has_others.note();
        }
        Ok(more)
    }

    /// The entry with other settings: its identity, and what has changed at its issuer, stay.
    ///
    /// # Errors
    ///
    /// Returns the errors of a new entry, and an error if the first `iss` value differs.
    pub(super) fn updated(&self, old: &TrustedIssuer, issuer: &Issuer) -> Result<TrustedIssuer, ConfigError> {
        if issuer.urls.first().map(String::as_str) != Some(&**old.iss()) {
            return Err(ConfigError::new(format_args!(
                "update of issuer {:?}: {:?} is another issuer; the first URL must stay",
                old.iss(),
                issuer.urls
            )));
        }
        self.check_added(issuer)?;
        let mut entry = self.entry(issuer, old.id(), old.lasting.clone())?;
        if renamed(&old.settings, issuer) {
            (entry.keys, entry.clock) = (old.keys.clone(), old.clock.clone());
            entry.permissions.clone_from(&old.permissions);
        }
        Ok(entry)
    }

    pub(super) fn entry(&self, issuer: &Issuer, id: IssuerId, lasting: Lasting) -> Result<TrustedIssuer, ConfigError> {
        let rules = self.rules(issuer, EntryVersion::of(id))?;
        let clock = Arc::default();
        let ask = issuer.introspection.clone();
        Ok(TrustedIssuer {
            keys: self.keys(issuer, &rules, &clock, &lasting.compromised)?,
            permissions: issuer
                .permissions
                .as_ref()
                .map(|from| Source::new(from.0.clone(), lasting.invalidations.clone())),
            introspector: ask.map(|ask| self.introspector(ask, &rules, &clock)).transpose()?,
            documents: self.documents(&rules)?,
            rules,
            clock,
            lasting,
            settings: issuer.clone(),
        })
    }

    fn rules(&self, issuer: &Issuer, entry: EntryVersion) -> Result<IssuerRules, ConfigError> {
        for (at, url) in issuer.urls.iter().enumerate() {
            // What is never fetched is a name (RFC 7519 section 2).
            match issuer.keys {
                Keys::Discovery if at == 0 => check_issuer(url, self.allow_http)?,
                _ => check_issuer_name(url)?,
            }
        }
        check_name("organization_audience_prefix", &issuer.organization_prefix)?;
        let resources = if issuer.resources.is_empty() { &self.resources } else { &issuer.resources };
        for resource in resources {
            check_resource(resource, issuer.profile, &issuer.organization_prefix)?;
        }
        if issuer.algorithms.is_empty() {
            return Err(ConfigError::new(format_args!("issuer {:?}: an empty list of algorithms", issuer.urls)));
        }
        let Issuer { organization_claim, scope_claim, acr_claim, auth_time_claim, .. } = issuer;
        if [organization_claim, scope_claim, acr_claim, auth_time_claim].iter().any(|name| !name.is_valid()) {
            return Err(ConfigError::new(format_args!("issuer {:?}: a claim without a name", issuer.urls)));
        }
        let name = issuer.name.as_ref().or(issuer.urls.first()).cloned().unwrap_or_default();
        check_name("issuer", &name)?;
        let issuers: Vec<Arc<str>> = issuer.urls.iter().map(|url| url.as_str().into()).collect();
        let name: Arc<str> = name.into();
        Ok(IssuerRules {
            entry,
            called: EntryName::new(&name, issuers.first().unwrap_or(&name), self.has_others.clone()),
            name,
            issuers,
            resources: resources.iter().map(|resource| Arc::from(resource.as_str())).collect(),
            organization_tokens: issuer.organization_tokens || issuer.profile == Profile::Rfc9068,
            organization_prefix: issuer.organization_prefix.as_str().into(),
            algorithms: issuer.algorithms.clone(),
            profile: issuer.profile,
            machine_marks: issuer.machine_marks.clone(),
            organization_claim: issuer.organization_claim.clone(),
            scope_claim: issuer.scope_claim.clone(),
            acr_claim: issuer.acr_claim.clone(),
            auth_time_claim: issuer.auth_time_claim.clone(),
            client_audience: client_audience(issuer)?,
            scope_form: issuer.scope_form,
            keys_without_kid: issuer.keys_without_kid,
            leeway: self.leeway,
            has_permissions: issuer.permissions.is_some(),
        })
    }

    fn keys(
        &self,
        issuer: &Issuer,
        rules: &IssuerRules,
        seen: &Arc<IssuerClock>,
        compromised: &Compromised,
    ) -> Result<KeyStore, ConfigError> {
        let key_rules = KeyRules {
            algorithms: rules.algorithms.clone(),
            rsa_default: rsa_default(issuer)?,
            keys_without_kid: rules.keys_without_kid,
        };
        let source = match &issuer.keys {
            Keys::Json(_) if issuer.seed.is_some() => {
                return Err(ConfigError::new(format_args!(
                    "issuer {:?}: seed_keys beside jwks_json, which is never fetched",
                    rules.name
                )));
            }
            Keys::Json(json) => {
                let document = configured_set(json, &key_rules, &rules.name)?;
                return KeyStore::fixed(document, compromised, self.clock.clone()).ok_or_else(|| {
                    ConfigError::new(format_args!(
                        "issuer {:?}: jwks_json holds only keys whose private half was published",
                        rules.name
                    ))
                });
            }
            Keys::Url(url) => KeySource::Url(check_url("jwks_uri", url, self.allow_http)?),
            Keys::Discovery => {
                let issuer = rules
                    .issuers
                    .first()
                    .cloned()
                    .ok_or_else(|| ConfigError::new("an issuer entry without an issuer"))?;
                KeySource::Discovery { hint: preset::without_metadata(&issuer), issuer }
            }
        };
        let seed = issuer.seed.as_deref().map(|json| configured_set(json, &key_rules, &rules.name)).transpose()?;
        let fetch = self.dated(self.fetch(&source, &rules.name)?, rules, seen);
        let origin = Origin {
            name: rules.name.clone(),
            source,
            rules: key_rules,
            fetch,
            allow_http: self.allow_http,
            compromised: compromised.clone(),
        };
        Ok(KeyStore::fetching(origin, &self.life, self.clock.clone(), seed))
    }

    fn fetch(&self, source: &KeySource, issuer: &str) -> Result<Arc<dyn Fetch>, ConfigError> {
        let url = match source {
            KeySource::Url(url) => url.clone(),
            KeySource::Discovery { issuer, .. } => check_url("issuer", issuer, self.allow_http)?,
        };
        self.client.fetcher(&url).map_err(|error| error.at(format_args!("issuer {issuer:?}")))
    }

    /// The client for one issuer, whose responses show its clock.
    fn dated(&self, fetch: Arc<dyn Fetch>, rules: &IssuerRules, seen: &Arc<IssuerClock>) -> Arc<dyn Fetch> {
        Arc::new(Dated { fetch, seen: seen.clone(), leeway: rules.leeway, clock: self.clock.clone() })
    }
}

impl EntrySettings {
    /// The metadata documents of indicators that no other entry had at startup.
    fn documents(&self, rules: &IssuerRules) -> Result<Vec<Arc<MetadataDocument>>, ConfigError> {
        let Some(known) = &self.documents else { return Ok(Vec::new()) };
        let documents = known.of_entry(&rules.resources)?;
        let is_address = rules.issuers.first().is_some_and(|iss| is_issuer_identifier(iss));
        if documents.is_empty() || is_address {
            return Ok(documents);
        }
        Err(ConfigError::new(format_args!(
            "issuer {:?}: its resource indicators {:?} have no metadata document: it is not a URL that a client could ask for a token",
            rules.issuers, rules.resources
        )))
    }

    fn introspector(
        &self,
        ask: Introspection,
        rules: &IssuerRules,
        seen: &Arc<IssuerClock>,
    ) -> Result<Arc<Introspector>, ConfigError> {
        ask.check()?;
        let endpoint = check_url("introspection endpoint", &ask.endpoint, self.allow_http)?;
        let fetch = self.dated(self.client.fetcher(&endpoint)?, rules, seen);
        Ok(Arc::new(Introspector::new(ask, fetch, self.clock.clone(), self.life.meter.clone())))
    }
}

#[cfg(feature = "testing")]
use crate::testing::is_test_issuer;

#[cfg(not(feature = "testing"))]
const fn is_test_issuer(_: &http::Uri) -> bool {
    false
}

/// Whether only the name differs.
fn renamed(old: &Issuer, new: &Issuer) -> bool {
    Issuer { name: old.name.clone(), ..new.clone() } == *old
}

/// The clients whose tokens need no `aud`.
fn client_audience(issuer: &Issuer) -> Result<Vec<String>, ConfigError> {
    match &issuer.client_audience {
        Some(clients) if clients.is_empty() || clients.iter().any(String::is_empty) => Err(ConfigError::new(
            format_args!("issuer {:?}: client_audience({clients:?}): an empty list, or an empty id", issuer.urls),
        )),
        clients => Ok(clients.clone().unwrap_or_default()),
    }
}

/// A key set from the configuration.
fn configured_set(json: &str, rules: &KeyRules, issuer: &str) -> Result<Document, ConfigError> {
    let wrong = |reason| ConfigError::new(format_args!("the key set of issuer {issuer:?}: {reason}"));
    let (set, skipped) = KeySet::configured(json.as_bytes(), rules).map_err(wrong)?;
    if !skipped.is_empty() {
        tracing::warn!(target: "orgate", issuer, skipped = skipped.join("; "), "keys that cannot be used");
    }
    Ok(Document { set, version: None })
}

/// What an RSA key without `alg` means. Only what was said aloud must be allowed: without RS256 such keys are skipped.
fn rsa_default(issuer: &Issuer) -> Result<Algorithm, ConfigError> {
    match issuer.default_rsa_algorithm {
        None => Ok(Algorithm::Rs256),
        Some(algorithm) if algorithm.is_rsa() && issuer.algorithms.contains(&algorithm) => Ok(algorithm),
        Some(algorithm) => Err(ConfigError::new(format_args!(
            "default_rsa_algorithm {algorithm}: not an allowed RSA algorithm of issuer {:?}",
            issuer.urls
        ))),
    }
}

impl fmt::Debug for EntrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntrySettings")
            .field("resources", &self.resources)
            .field("max_issuers", &self.max_issuers)
            .finish_non_exhaustive()
    }
}
