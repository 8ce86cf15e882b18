//! The security schemes of a document.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::Components;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, AuthorizationCode, Flow, OAuth2, OpenIdConnect, Scopes, SecurityRequirement, SecurityScheme,
};

use crate::error::ConfigError;
use crate::http::url::{PlainHttp, parse};
use crate::policy::{Alternative, Policy};

/// The security scheme of a document: how a reader gets a token. For
/// [`DocumentedGuard::split_for_parts`](crate::axum::DocumentedGuard::split_for_parts).
///
/// ```
/// use orgate::openapi::Scheme;
///
/// // `openIdConnect`: the addresses are in the issuer's discovery document.
/// let scheme = Scheme::new("logto");
/// // `oauth2` with Logto's addresses: viewers can show what each scope permits, and sign a reader in.
/// let scheme = Scheme::logto("logto").scope("read:orders", "See orders");
/// # _ = scheme;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Scheme {
    name: String,
    kind: Kind,
    issuer: Option<String>,
    texts: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Kind {
    Discovery,
    Logto,
    Addresses { authorization: String, token: String },
}

impl Scheme {
    /// Takes the name of a scheme `openIdConnect`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: Kind::Discovery, issuer: None, texts: Vec::new() }
    }

    /// Takes the name of a scheme `oauth2` with the addresses of a Logto tenant.
    pub fn logto(name: impl Into<String>) -> Self {
        Self { kind: Kind::Logto, ..Self::new(name) }
    }

    /// Takes the name of a scheme `oauth2`, with the addresses of an issuer's authorization and token endpoints.
    pub fn oauth2(name: impl Into<String>, authorization: impl Into<String>, token: impl Into<String>) -> Self {
        Self { kind: Kind::Addresses { authorization: authorization.into(), token: token.into() }, ..Self::new(name) }
    }

    /// Sets the issuer. Default: the server's first, which must be the same of all servers whose guards are merged.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Says what a scope permits, beside those of [`Builder::scopes`](crate::server::Builder::scopes).
    pub fn scope(mut self, scope: impl Into<String>, text: impl Into<String>) -> Self {
        self.texts.push((scope.into(), text.into()));
        self
    }

    fn address(&self, issuer: &str, path: &str) -> Result<String, ConfigError> {
        checked(&self.name, &format!("{}/{path}", issuer.trim_end_matches('/')))
    }
}

fn checked(name: &str, url: &str) -> Result<String, ConfigError> {
    match parse(url, PlainHttp::OnLoopback) {
        Ok(_) => Ok(url.to_owned()),
        Err(why) => Err(ConfigError::new(format_args!("security scheme {name:?}: {url:?}: {why}"))),
    }
}

/// The scheme of a document, beside what the server checks of tokens.
pub(crate) struct Schemes {
    scheme: SecurityScheme,
    name: String,
    used: BTreeSet<&'static str>,
}

const DPOP: &str = "dpop";
const MTLS: &str = "mtls";

impl Schemes {
    /// `scopes` are those that operations need, `texts` those of the servers, of which the last one counts. `issuer` is asked if
    /// the scheme needs one and does not name it.
    pub(crate) fn new<'a>(
        scheme: &Scheme,
        issuer: impl FnOnce() -> Result<String, ConfigError>,
        scopes: impl Iterator<Item = String>,
        texts: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ConfigError> {
        if scheme.name.is_empty() || [DPOP, MTLS].contains(&scheme.name.as_str()) {
            return Err(ConfigError::new(format_args!(
                "security scheme {:?}: an empty name, or that of another scheme",
                scheme.name
            )));
        }
        let issuer = || scheme.issuer.clone().map_or_else(issuer, Ok);
        let (authorization, token) = match &scheme.kind {
            Kind::Discovery => {
                let url = scheme.address(&issuer()?, ".well-known/openid-configuration")?;
                return Ok(Self::of(scheme, SecurityScheme::OpenIdConnect(OpenIdConnect::new(url))));
            }
            Kind::Logto => {
                let issuer = issuer()?;
                (scheme.address(&issuer, "auth")?, scheme.address(&issuer, "token")?)
            }
            Kind::Addresses { authorization, token } => {
                (checked(&scheme.name, authorization)?, checked(&scheme.name, token)?)
            }
        };
        let mut all: BTreeMap<String, String> = scopes.map(|scope| (scope, String::new())).collect();
        all.extend(texts.map(|(scope, text)| (scope.to_owned(), text.to_owned())));
        all.extend(scheme.texts.iter().cloned());
        let code = AuthorizationCode::new(authorization, token, Scopes::from_iter(all));
        let oauth2 = SecurityScheme::OAuth2(OAuth2::new([Flow::AuthorizationCode(code)]));
        Ok(Self::of(scheme, oauth2))
    }

    fn of(scheme: &Scheme, made: SecurityScheme) -> Self {
        Self { scheme: made, name: scheme.name.clone(), used: BTreeSet::new() }
    }

    /// What an operation with this policy requires, and notes which schemes that needs. `bound`: what tokens must be bound to
    /// on every route of its server, a key or a certificate.
    pub(crate) fn requirements(
        &mut self,
        policy: &Policy,
        bound: &[(bool, bool)],
    ) -> Result<Vec<SecurityRequirement>, ConfigError> {
        let mut requirements: Vec<SecurityRequirement> = Vec::new();
        for alternative in policy.alternatives()? {
            let own = (alternative.dpop, alternative.mtls);
            let bindings = if own == (false, false) && !alternative.anonymous { bound } else { &[own][..] };
            for (dpop, mtls) in bindings {
                let requirement = requirement(&self.name, &alternative, *dpop, *mtls);
                self.used.extend([(*dpop).then_some(DPOP), (*mtls).then_some(MTLS)].into_iter().flatten());
                if !requirements.contains(&requirement) {
                    requirements.push(requirement);
                }
            }
        }
        Ok(requirements)
    }

    /// Adds the schemes that operations need.
    pub(crate) fn add_to(self, components: &mut Components) {
        if self.used.contains(DPOP) {
            // The scheme `dpop` of HTTP authentication is not one of those that utoipa can name: the proof's header is.
            let proof = ApiKeyValue::with_description("DPoP", "A DPoP proof for the request (RFC 9449)");
            components.add_security_scheme(DPOP, SecurityScheme::ApiKey(ApiKey::Header(proof)));
        }
        if self.used.contains(MTLS) {
            let description = Some("The client certificate that the token is bound to (RFC 8705)".to_owned());
            let certificate = SecurityScheme::MutualTls { description, deprecated: None, extensions: None };
            components.add_security_scheme(MTLS, certificate);
        }
        components.add_security_scheme(self.name, self.scheme);
    }
}

fn requirement(name: &str, alternative: &Alternative, dpop: bool, mtls: bool) -> SecurityRequirement {
    const NONE: [&str; 0] = [];
    if alternative.anonymous {
        return SecurityRequirement::default();
    }
    let mut requirement = SecurityRequirement::new(name, &alternative.scopes);
    if dpop {
        requirement = requirement.add(DPOP, NONE);
    }
    if mtls {
        requirement = requirement.add(MTLS, NONE);
    }
    requirement
}
