//! What an API says of itself.

use std::time::Duration;

use serde_json::Value;

use super::documents::{Documents, SenderConstraint};
use super::location::Location;
use crate::error::ConfigError;
use crate::http::url::PlainHttp;
use crate::http::url::parse;
use crate::scope::Scope;

const DEFAULT_MAX_AGE: Duration = Duration::from_secs(5 * 60);
const MAX_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Asks for a refresh token, which is between client and issuer.
const OFFLINE_ACCESS: &str = "offline_access";

/// Protected resource metadata (RFC 9728): what this API publishes about itself. For
/// [`Builder::metadata`](crate::server::Builder::metadata).
///
/// There is one document for each resource indicator, at the address that follows from it. Its `authorization_servers` are
/// the trusted issuers of that indicator. An issuer entry that is added at run time with indicators of its own brings their
/// documents along.
///
/// ```
/// use orgate::ResourceServer;
/// use orgate::respond::Metadata;
///
/// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com/mcp")
///     .metadata(Metadata::new().scopes(["mcp:read"]).name("Orders"))
///     .build()?;
/// // Served at https://api.example.com/.well-known/oauth-protected-resource/mcp.
/// # _ = server;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Metadata {
    scopes: Vec<String>,
    scopes_at: Vec<(String, Vec<String>)>,
    name: Option<String>,
    documentation: Option<String>,
    policy: Option<String>,
    terms_of_service: Option<String>,
    detail_types: Vec<String>,
    max_age: Duration,
}

impl Default for Metadata {
    fn default() -> Self {
        Self::new()
    }
}

impl Metadata {
    /// Creates metadata with the required members only: the resource and its issuers.
    pub fn new() -> Self {
        Self {
            scopes: Vec::new(),
            scopes_at: Vec::new(),
            name: None,
            documentation: None,
            policy: None,
            terms_of_service: None,
            detail_types: Vec::new(),
            max_age: DEFAULT_MAX_AGE,
        }
    }

    /// Sets `scopes_supported`: the scopes that a client should ask for at first. Default: the member is absent.
    ///
    /// Name as few as make the API useful. What single routes require beyond that, their challenges say.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets `scopes_supported` in the document of one indicator, in place of [`scopes`](Self::scopes).
    pub fn scopes_at<S: Into<String>>(
        mut self,
        indicator: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.scopes_at.push((indicator.into(), scopes.into_iter().map(Into::into).collect()));
        self
    }

    /// Sets `resource_name`, which clients may show to a person.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets `resource_documentation`: the URL of a page for developers.
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.documentation = Some(url.into());
        self
    }

    /// Sets `resource_policy_uri`: the URL of a page about what may be done with the data.
    pub fn policy(mut self, url: impl Into<String>) -> Self {
        self.policy = Some(url.into());
        self
    }

    /// Sets `resource_tos_uri`: the URL of the terms of service.
    pub fn terms_of_service(mut self, url: impl Into<String>) -> Self {
        self.terms_of_service = Some(url.into());
        self
    }

    /// Sets `authorization_details_types_supported` (RFC 9396): the types that conditions of this API look for. Default: the
    /// member is absent.
    pub fn authorization_details_types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.detail_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long caches may keep a document. Default: 5 min; 24 h at most. An issuer that is added at run time is seen by
    /// all clients after that.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// The scopes that are named, with repetitions.
    pub(crate) fn named_scopes(&self) -> impl Iterator<Item = &str> {
        let named = self.scopes.iter().chain(self.scopes_at.iter().flat_map(|(_, scopes)| scopes));
        named.map(String::as_str)
    }

    /// The documents of these indicators.
    ///
    /// # Errors
    ///
    /// Returns the first indicator that no document can be found by, and the first setting that is wrong.
    pub(crate) fn build<'a>(
        &self,
        indicators: impl Iterator<Item = &'a str>,
        plain: PlainHttp,
        sender: SenderConstraint,
    ) -> Result<Documents, ConfigError> {
        if self.max_age > MAX_MAX_AGE {
            return Err(ConfigError::new(format_args!(
                "metadata: max_age {:?}: more than {MAX_MAX_AGE:?}",
                self.max_age
            )));
        }
        if self.name.as_ref().is_some_and(String::is_empty) {
            return Err(ConfigError::new("metadata: name \"\" is empty"));
        }
        let pages = [
            ("documentation", &self.documentation),
            ("policy", &self.policy),
            ("terms_of_service", &self.terms_of_service),
        ];
        for (what, page) in pages {
            let fault = page.as_deref().and_then(|url| parse(url, plain).err());
            if let Some(why) = fault {
                return Err(ConfigError::new(format_args!("metadata: {what} {page:?}: {why}")));
            }
        }
        for (at, kind) in self.detail_types.iter().enumerate() {
            let fault = match kind.as_str() {
                "" => "is empty",
                _ if self.detail_types.iter().take(at).any(|earlier| earlier == kind) => "occurs twice",
                _ => continue,
            };
            return Err(ConfigError::new(format_args!("metadata: authorization details type {kind:?} {fault}")));
        }
        let mut scopes_at: Vec<(&str, Vec<Scope>)> = Vec::new();
        for (indicator, scopes) in &self.scopes_at {
            let scopes = scope_list(scopes)?;
            if scopes_at.iter().any(|(known, _)| known == indicator) {
                return Err(ConfigError::new(format_args!("metadata: scopes_at({indicator:?}) occurs twice")));
            }
            scopes_at.push((indicator, scopes));
        }
        let scopes = scope_list(&self.scopes)?;
        let mut documents = Documents::new(self.max_age, self.members(), scopes, (sender, plain));
        for indicator in indicators {
            let own = scopes_at.iter().position(|(known, _)| *known == indicator);
            documents.add(Location::of(indicator, plain)?, own.map(|at| scopes_at.remove(at).1));
        }
        match scopes_at.first() {
            Some((unknown, _)) => Err(ConfigError::new(format_args!(
                "metadata: scopes_at({unknown:?}) names no resource indicator of this server"
            ))),
            None => Ok(documents),
        }
    }

    fn members(&self) -> Vec<(&'static str, Value)> {
        let texts = [
            ("resource_name", &self.name),
            ("resource_documentation", &self.documentation),
            ("resource_policy_uri", &self.policy),
            ("resource_tos_uri", &self.terms_of_service),
        ];
        let texts = texts.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?.into())));
        let types = (!self.detail_types.is_empty()).then(|| self.detail_types.as_slice().into());
        texts.chain(types.map(|types| ("authorization_details_types_supported", types))).collect()
    }
}

fn scope_list(scopes: &[String]) -> Result<Vec<Scope>, ConfigError> {
    let mut list: Vec<Scope> = Vec::new();
    for scope in scopes {
        let scope = Scope::new(scope).map_err(|fault| fault.at("metadata"))?;
        if scope.as_str() == OFFLINE_ACCESS {
            return Err(ConfigError::new(
                "metadata: scope \"offline_access\" is not a permission of this API: clients request it from their issuer",
            ));
        }
        if list.contains(&scope) {
            return Err(ConfigError::new(format_args!("metadata: scope {scope:?} occurs twice")));
        }
        list.push(scope);
    }
    Ok(list)
}
