//! The kinds of refusal, and what a client can do about them.

use http::StatusCode;

use crate::respond::ErrorCode;

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
    /// 401: the token was revoked before its `exp`, or its subject is blocked.
    RevokedToken,
    /// 401: the token is not valid here: its form, signature, type, issuer or audience.
    InvalidToken,
    /// 401: an opaque token, and nothing here could introspect it.
    OpaqueToken,
    /// 401: the key that the token names is not in the issuer's set, which was fetched to make sure.
    KeyNotFound,
    /// 401: the key that the token names is not known, and could not be looked up now.
    KeyUnresolved,
    /// 401: the subject of the token does not hold any more what the token says.
    OutdatedToken,
    /// 403: the token is for this server, but of another model than the route asks for.
    WrongModel,
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
            | Self::RevokedToken
            | Self::InvalidToken
            | Self::OpaqueToken
            | Self::KeyNotFound
            | Self::KeyUnresolved
            | Self::OutdatedToken => StatusCode::UNAUTHORIZED,
            Self::WrongModel | Self::WrongOrganization | Self::InsufficientScope | Self::Denied => {
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
            Self::ExpiredToken
            | Self::RevokedToken
            | Self::InvalidToken
            | Self::OpaqueToken
            | Self::KeyNotFound
            | Self::KeyUnresolved
            | Self::OutdatedToken => Some(ErrorCode::InvalidToken),
            Self::WrongModel | Self::WrongOrganization | Self::InsufficientScope => Some(ErrorCode::InsufficientScope),
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
            Self::RevokedToken => "The access token has been revoked.",
            Self::InvalidToken => "The access token is not valid here.",
            Self::OpaqueToken => "The access token is opaque: request it with the resource parameter.",
            Self::KeyNotFound => "The access token was signed with a key that is no longer published.",
            Self::KeyUnresolved => "The key of the access token is not known yet: try again.",
            Self::OutdatedToken => "The permissions behind the access token have changed: get a new one.",
            Self::WrongModel => "The access token was issued for another kind of resource.",
            Self::WrongOrganization => "The request names no organization, or the token is not for it.",
            Self::InsufficientScope => "The access token lacks a required scope.",
            Self::Denied => "The access token does not allow this.",
            Self::Hidden => "There is nothing here.",
            Self::Unavailable => "The request cannot be decided at the moment.",
            Self::Misconfigured => "The server is not configured correctly.",
        }
    }

    pub(super) const fn has_challenge(self) -> bool {
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
    /// Sign in again with consent (`prompt=consent`).
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
