//! What one issuer entry accepts: plain data that the pure functions of this module judge by.

use std::sync::Arc;
use std::time::Duration;

use super::ClaimName;
use crate::scoped::EntryName;
use crate::signature::Algorithm;
use crate::token::EntryVersion;

/// The audience of an organization token of Logto's, without the id.
pub(crate) const ORGANIZATION_URN: &str = "urn:logto:organization:";

/// Which kind of JWT an issuer's access tokens are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// RFC 9068, the default: `typ` is `at+jwt`; `sub`, `client_id` and `iat` are present.
    #[default]
    Rfc9068,
    /// For issuers that do not follow RFC 9068: `typ` is absent, `JWT` or `at+jwt`, and the client is read from
    /// `client_id`, `azp`, `appid` or `cid`. Tokens with `nonce`, `at_hash`, `c_hash` or `events` are still rejected:
    /// they are ID tokens and logout tokens.
    UntypedJwt,
}

impl Profile {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc9068 => "rfc9068",
            Self::UntypedJwt => "untyped_jwt",
        }
    }
}

/// The form in which an issuer writes the scopes of a token. One form for each setting: the other one is rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScopeForm {
    /// One string, the scopes separated by a space (RFC 8693 section 4.2).
    #[default]
    Text,
    /// An array with a scope in each string.
    Array,
}

impl ScopeForm {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Array => "array",
        }
    }
}

/// A sign by which a machine's token is recognized, for issuers that give machines a `sub` that is not their client.
///
/// `sub == client` is always such a sign. Without a mark, any other `sub` is a user's under RFC 9068, as with Logto; under
/// [`UntypedJwt`](Profile::UntypedJwt) the kind is unknown, and neither `user()` nor `machine()` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MachineMark {
    /// This claim is this string: `gty` = `client-credentials` (Auth0), `idtyp` = `app` (Entra).
    Claim(String, String),
    /// This claim is present: `clientHost` (Keycloak's service accounts).
    Present(String),
    /// `sub` is the client followed by this: `@clients` (Auth0, which has no `gty` under its RFC 9068 profile).
    SubjectIsClientPlus(String),
}

impl MachineMark {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Claim(..) => "claim",
            Self::Present(_) => "present",
            Self::SubjectIsClientPlus(_) => "subject_is_client_plus",
        }
    }
}

/// One issuer entry, as verification sees it.
#[derive(Clone, Debug)]
pub(crate) struct IssuerRules {
    pub(crate) entry: EntryVersion,
    pub(crate) name: Arc<str>,
    /// What ids from its tokens belong to.
    pub(crate) called: EntryName,
    pub(crate) issuers: Vec<Arc<str>>,
    /// The resource indicators that its tokens may name; the first one is "this API".
    pub(crate) resources: Arc<[Arc<str>]>,
    /// Whether its tokens may be for an organization.
    pub(crate) organization_tokens: bool,
    /// The audience of an organization token, without the id.
    pub(crate) organization_prefix: Arc<str>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) profile: Profile,
    pub(crate) machine_marks: Vec<MachineMark>,
    pub(crate) organization_claim: ClaimName,
    pub(crate) scope_claim: ClaimName,
    pub(crate) acr_claim: ClaimName,
    pub(crate) auth_time_claim: ClaimName,
    /// Clients whose tokens are for this API where they have no `aud`.
    pub(crate) client_audience: Vec<String>,
    pub(crate) scope_form: ScopeForm,
    /// Whether several keys may be tried for a token that names none.
    pub(crate) keys_without_kid: bool,
    pub(crate) leeway: Duration,
    /// Whether there is a source of live permissions for its subjects.
    pub(crate) has_permissions: bool,
}

/// The names that Logto and RFC 8693 use.
pub(crate) const DEFAULT_ORGANIZATION_CLAIM: &str = "organization_id";
pub(crate) const DEFAULT_SCOPE_CLAIM: &str = "scope";
/// The names of RFC 9470 section 6.
pub(crate) const DEFAULT_ACR_CLAIM: &str = "acr";
pub(crate) const DEFAULT_AUTH_TIME_CLAIM: &str = "auth_time";

impl IssuerRules {
    /// Whether an `aud` value names something that this server serves.
    pub(crate) fn serves(&self, audience: &str) -> bool {
        let organization = self.organization_of(audience);
        (self.organization_tokens && organization.is_some_and(|id| !id.is_empty())) || self.has_resource(audience)
    }

    /// The organization that an `aud` value names.
    pub(crate) fn organization_of<'a>(&self, audience: &'a str) -> Option<&'a str> {
        audience.strip_prefix(&*self.organization_prefix)
    }

    pub(crate) fn has_resource(&self, indicator: &str) -> bool {
        self.resources.iter().any(|resource| **resource == *indicator)
    }

    /// An entry with every default.
    #[cfg(test)]
    pub(crate) fn for_tests(name: &str) -> Self {
        Self {
            entry: EntryVersion::of(crate::token::IssuerId::for_tests(name)),
            called: EntryName::from(name),
            name: name.into(),
            issuers: vec!["https://issuer.example".into()],
            resources: Arc::from([Arc::from("https://api.example.com")]),
            organization_tokens: true,
            organization_prefix: ORGANIZATION_URN.into(),
            algorithms: Algorithm::ALL.to_vec(),
            profile: Profile::Rfc9068,
            machine_marks: Vec::new(),
            organization_claim: DEFAULT_ORGANIZATION_CLAIM.into(),
            scope_claim: DEFAULT_SCOPE_CLAIM.into(),
            acr_claim: DEFAULT_ACR_CLAIM.into(),
            auth_time_claim: DEFAULT_AUTH_TIME_CLAIM.into(),
            client_audience: Vec::new(),
            scope_form: ScopeForm::Text,
            keys_without_kid: false,
            leeway: Duration::from_secs(60),
            has_permissions: true,
        }
    }
}
