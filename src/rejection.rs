//! Why a request is refused: who is at fault, what goes on the wire, what goes to the log.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};

use crate::challenge::{Challenge, ChallengeSettings, ErrorCode};
use crate::scope::Scope;

/// What kind of refusal this is, grouped by fault: the caller (400, 401, 403, 404), this server (500), an issuer or
/// another source that cannot be reached (503).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// 401: there is no Bearer token.
    MissingToken,
    /// 400: the request's credentials are malformed, two `Authorization` headers for instance.
    InvalidRequest,
    /// 401: the token is past its `exp` and the leeway.
    ExpiredToken,
    /// 401: the token is not valid here: its form, signature, type, issuer or audience.
    InvalidToken,
    /// 401: an opaque token, and nothing here could introspect it.
    OpaqueToken,
    /// 401: the key that the token names is not in the issuer's set, which was fetched to make sure.
    KeyNotFound,
    /// 401: the key that the token names is not known, and could not be looked up now.
    KeyUnresolved,
    /// 403: the token is for this server, but of another model than the route asks for.
    WrongAudience,
    /// 403: the request's organization is not the token's, or one of them is missing.
    WrongOrganization,
    /// 403: a scope is missing.
    InsufficientScope,
    /// 403: a condition does not hold that no other scope would meet.
    Denied,
    /// 404: a denial that depends on the organization, on a route that hides it.
    Hidden,
    /// 503: it cannot be decided now, for want of keys for instance.
    Unavailable,
    /// 500: this server is wired wrongly.
    Misconfigured,
}

impl RejectionKind {
    /// The HTTP status (RFC 6750 section 3.1, RFC 9110 section 15).
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::MissingToken
            | Self::ExpiredToken
            | Self::InvalidToken
            | Self::OpaqueToken
            | Self::KeyNotFound
            | Self::KeyUnresolved => StatusCode::UNAUTHORIZED,
            Self::WrongAudience | Self::WrongOrganization | Self::InsufficientScope | Self::Denied => {
                StatusCode::FORBIDDEN
            }
            Self::Hidden => StatusCode::NOT_FOUND,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The `error` code of the challenge and of the body.
    #[must_use]
    pub const fn error(self) -> Option<ErrorCode> {
        match self {
            Self::InvalidRequest => Some(ErrorCode::InvalidRequest),
            Self::ExpiredToken | Self::InvalidToken | Self::OpaqueToken | Self::KeyNotFound | Self::KeyUnresolved => {
                Some(ErrorCode::InvalidToken)
            }
            Self::WrongAudience | Self::WrongOrganization | Self::InsufficientScope => {
                Some(ErrorCode::InsufficientScope)
            }
            Self::MissingToken | Self::Denied | Self::Hidden | Self::Unavailable | Self::Misconfigured => None,
        }
    }

    /// The fixed sentence for the client. It holds nothing that came with the request.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::MissingToken => "This resource needs a Bearer access token.",
            Self::InvalidRequest => "The request must carry exactly one well-formed Bearer token.",
            Self::ExpiredToken => "The access token has expired.",
            Self::InvalidToken => "The access token is not valid here.",
            Self::OpaqueToken => "The access token is opaque: request it with the resource parameter.",
            Self::KeyNotFound => "The access token was signed with a key that is no longer published.",
            Self::KeyUnresolved => "The key of the access token is not known yet: try again.",
            Self::WrongAudience => "The access token was issued for another kind of resource.",
            Self::WrongOrganization => "The access token was not issued for this organization.",
            Self::InsufficientScope => "The access token lacks a required scope.",
            Self::Denied => "The access token does not allow this.",
            Self::Hidden => "There is nothing here.",
            Self::Unavailable => "The access token cannot be verified at the moment.",
            Self::Misconfigured => "The server is not configured correctly.",
        }
    }

    const fn has_challenge(self) -> bool {
        !matches!(self, Self::Hidden | Self::Unavailable | Self::Misconfigured)
    }
}

/// What the client can do about it: a closed set, in the body of every refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remediation {
    /// Obtain a token for this API.
    Authenticate,
    /// Send a well-formed request.
    FixRequest,
    /// Drop the cached token and get a new one, without a sign-in.
    Refresh,
    /// Sign in again with consent.
    Reconsent,
    /// Ask for the missing scope in the token request.
    RequestScope,
    /// Request a token for the organization of this request.
    OrganizationToken,
    /// Request a token with the `resource` parameter.
    ResourceToken,
    /// Try again, after `Retry-After` where there is one.
    Retry,
    /// Nothing: an administrator could.
    None,
}

impl Remediation {
    /// The word as it stands in the body.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::FixRequest => "fix_request",
            Self::Refresh => "refresh",
            Self::Reconsent => "reconsent",
            Self::RequestScope => "request_scope",
            Self::OrganizationToken => "organization_token",
            Self::ResourceToken => "resource_token",
            Self::Retry => "retry",
            Self::None => "none",
        }
    }
}

/// Why a request was refused.
///
/// It is in the extensions of the response, for logs and tests, and is what an `on_reject` hook is given. It is opaque,
/// and its `Debug` and `Display` forms hold no token. The precise reason is in the log (target `orgate`), not in the
/// answer; [`source`](Error::source) is the application's own error where a `check` failed with one.
#[derive(Clone)]
pub struct Rejection(Box<Reason>);

#[derive(Clone)]
struct Reason {
    kind: RejectionKind,
    remediation: Remediation,
    required: Vec<Scope>,
    missing: Vec<Scope>,
    retry_after: Option<Duration>,
    detail: Cow<'static, str>,
    issuer: Option<Arc<str>>,
    kid: Option<Box<str>>,
    source: Option<Arc<dyn Error + Send + Sync>>,
    challenge: Option<HeaderValue>,
}

impl Rejection {
    pub(crate) fn new(kind: RejectionKind, remediation: Remediation, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Reason {
            kind,
            remediation,
            required: Vec::new(),
            missing: Vec::new(),
            retry_after: None,
            detail: detail.into(),
            issuer: None,
            kid: None,
            source: None,
            challenge: None,
        }))
    }

    /// A token that is not valid here, for whatever reason but its age.
    pub(crate) fn invalid_token(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::InvalidToken, Remediation::Authenticate, detail)
    }

    pub(crate) fn misconfigured(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::Misconfigured, Remediation::None, detail)
    }

    pub(crate) fn unavailable(retry_after: Duration, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut rejection = Self::new(RejectionKind::Unavailable, Remediation::Retry, detail);
        rejection.0.retry_after = Some(retry_after);
        rejection
    }

    pub(crate) fn with_scopes(mut self, required: Vec<Scope>, missing: Vec<Scope>) -> Self {
        self.0.required = required;
        self.0.missing = missing;
        self
    }

    pub(crate) fn with_source(mut self, source: Arc<dyn Error + Send + Sync>) -> Self {
        self.0.source = Some(source);
        self
    }

    /// Whose token it seemed to be: the trusted entry, and the key that the token named. For the log only.
    pub(crate) fn about(mut self, issuer: &Arc<str>, kid: Option<&str>) -> Self {
        self.0.issuer = Some(issuer.clone());
        self.0.kid = kid.map(|kid| kid.chars().take(64).collect());
        self
    }

    /// The same denial, for a route that hides its organizations: nothing is left that could tell two of them apart.
    pub(crate) fn into_hidden(self) -> Self {
        let mut hidden = Self::new(RejectionKind::Hidden, Remediation::None, self.0.detail);
        hidden.0.issuer = self.0.issuer;
        hidden
    }

    /// Adds the challenge, which is the server's to write.
    pub(crate) fn challenged_by(mut self, settings: &ChallengeSettings) -> Self {
        let kind = self.0.kind;
        let error = kind.error();
        self.0.challenge = kind
            .has_challenge()
            .then(|| {
                Challenge {
                    settings,
                    error,
                    description: error.map(|_| kind.description()),
                    scopes: if error == Some(ErrorCode::InsufficientScope) { &self.0.required } else { &[] },
                }
                .to_header_value()
            })
            .flatten();
        self
    }

    /// What kind of refusal this is.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.0.kind
    }

    /// The HTTP status of the answer. (A gRPC caller gets 200 and a `grpc-status`.)
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.kind.status()
    }

    /// The value of `WWW-Authenticate`; `None` where the answer has no challenge, and before the answer is built.
    #[must_use]
    pub fn challenge(&self) -> Option<&HeaderValue> {
        self.0.challenge.as_ref()
    }

    /// What the client can do about it.
    #[must_use]
    pub fn remediation(&self) -> Remediation {
        self.0.remediation
    }

    /// For a 403: the scopes that the route requires.
    #[must_use]
    pub fn required_scopes(&self) -> &[Scope] {
        &self.0.required
    }

    /// For a 403: those of the required scopes that the token lacks.
    #[must_use]
    pub fn missing_scopes(&self) -> &[Scope] {
        &self.0.missing
    }

    /// For a 503: when to try again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("kind", &self.0.kind)
            .field("remediation", &self.0.remediation)
            .field("detail", &self.0.detail)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.description())
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::Quotable;

    fn settings() -> ChallengeSettings {
        ChallengeSettings { realm: Quotable::new("realm", "https://api.example.com").unwrap(), resource_metadata: None }
    }

    fn challenge(kind: RejectionKind) -> Option<String> {
        let rejection = Rejection::new(kind, Remediation::None, "x")
            .with_scopes(vec![Scope::new("a").unwrap()], vec![])
            .challenged_by(&settings());
        rejection.challenge().map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn each_kind_has_its_challenge() {
        use RejectionKind as K;
        assert_eq!(challenge(K::MissingToken).as_deref(), Some("Bearer realm=\"https://api.example.com\""));
        assert_eq!(challenge(K::Denied).as_deref(), Some("Bearer realm=\"https://api.example.com\""));
        assert!(challenge(K::InsufficientScope).unwrap().contains("error=\"insufficient_scope\""));
        assert!(challenge(K::InsufficientScope).unwrap().ends_with("scope=\"a\""));
        assert!(!challenge(K::InvalidToken).unwrap().contains("scope=\""));
        for none in [K::Hidden, K::Unavailable, K::Misconfigured] {
            assert_eq!(challenge(none), None, "{none:?}");
        }
    }

    #[test]
    fn hidden_keeps_nothing_to_tell_apart() {
        let scope = vec![Scope::new("a").unwrap()];
        let hidden = Rejection::new(RejectionKind::WrongOrganization, Remediation::OrganizationToken, "x")
            .with_scopes(scope.clone(), scope)
            .into_hidden();
        assert_eq!((hidden.status(), hidden.remediation()), (StatusCode::NOT_FOUND, Remediation::None));
        assert!(hidden.required_scopes().is_empty() && hidden.missing_scopes().is_empty());
    }
}
