//! The kinds of rejection, their error codes, and what a client can do about them.

use http::StatusCode;

/// The kind of a rejection, grouped by fault: the caller (400, 401, 403, 404; for a webhook also 408, 410, 413), this server
/// (500), an issuer or another source that cannot be reached (503).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// 401: the request has no Bearer token.
    MissingToken,
    /// 400: the request's credentials are malformed, for example two `Authorization` headers.
    InvalidRequest,
    /// 401: the token is past its `exp` and the leeway.
    ExpiredToken,
    /// 401: the token was revoked before its `exp`, or its subject is suspended.
    RevokedToken,
    /// 401: the token's form, signature, type, issuer or audience is not valid for this server.
    InvalidToken,
    /// 401: the token is opaque and no introspection is configured, or it is encrypted.
    OpaqueToken,
    /// 401: the issuer's key set, fetched again to make sure, lacks the key that the token names.
    KeyNotFound,
    /// 401: the key that the token names is unknown, and the key set could not be fetched again now.
    KeyUnresolved,
    /// 401: the subject no longer holds what the token says.
    OutdatedToken,
    /// 401: the DPoP proof is missing, is not valid for the request, or was used before.
    InvalidProof,
    /// 401: the DPoP proof lacks a nonce of this server, which is in the response.
    UseNonce,
    /// 401: the user behind the token has not signed in as the route requires: too weakly, or too long ago.
    InsufficientUserAuthentication,
    /// 403: the token is for this server, but of another model than the route requires.
    WrongModel,
    /// 403: the request's organization is not the token's, or one of them is missing.
    WrongOrganization,
    /// 403: a scope is missing.
    InsufficientScope,
    /// 403: a condition does not hold, and no scope would change that.
    Denied,
    /// 404: a rejection that depends on the organization, on a route that hides organizations.
    Hidden,
    /// 503: no decision is possible now, for example because keys are unavailable.
    Unavailable,
    /// 500: server misconfiguration.
    Misconfigured,
    /// 401: the signature of a webhook is missing or wrong.
    WebhookSignature,
    /// 400: the body of a webhook broke off or cannot be read.
    WebhookBody,
    /// 413: the body of a webhook is too large.
    WebhookTooLarge,
    /// 408: the body of a webhook did not arrive in time.
    WebhookTimeout,
    /// 404: a webhook is for no issuer entry of this server.
    WebhookRecipient,
    /// 410: the issuer entry of a webhook was removed.
    WebhookGone,
}

impl RejectionKind {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Misconfigured as usize + 1;

    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::InvalidRequest => "invalid_request",
            Self::ExpiredToken => "expired_token",
            Self::RevokedToken => "revoked_token",
            Self::InvalidToken => "invalid_token",
            Self::OpaqueToken => "opaque_token",
            Self::KeyNotFound => "key_not_found",
            Self::KeyUnresolved => "key_unresolved",
            Self::OutdatedToken => "outdated_token",
            Self::InvalidProof => "invalid_proof",
            Self::UseNonce => "use_nonce",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::WrongModel => "wrong_model",
            Self::WrongOrganization => "wrong_organization",
            Self::InsufficientScope => "insufficient_scope",
            Self::Denied => "denied",
            Self::Hidden => "hidden",
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
            Self::WebhookSignature => "webhook_signature",
            Self::WebhookBody => "webhook_body",
            Self::WebhookTooLarge => "webhook_too_large",
            Self::WebhookTimeout => "webhook_timeout",
            Self::WebhookRecipient => "webhook_recipient",
            Self::WebhookGone => "webhook_gone",
        }
    }

    /// Returns the HTTP status (RFC 6750 section 3.1, RFC 9110 section 15).
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::WebhookBody => StatusCode::BAD_REQUEST,
            Self::MissingToken
            | Self::ExpiredToken
            | Self::RevokedToken
            | Self::InvalidToken
            | Self::OpaqueToken
            | Self::KeyNotFound
            | Self::KeyUnresolved
            | Self::OutdatedToken
            | Self::InvalidProof
            | Self::UseNonce
            | Self::InsufficientUserAuthentication
            | Self::WebhookSignature => StatusCode::UNAUTHORIZED,
            Self::WrongModel | Self::WrongOrganization | Self::InsufficientScope | Self::Denied => {
                StatusCode::FORBIDDEN
            }
            Self::Hidden | Self::WebhookRecipient => StatusCode::NOT_FOUND,
            Self::WebhookTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::WebhookGone => StatusCode::GONE,
            Self::WebhookTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the `error` code of the challenge and of the body.
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
            Self::InvalidProof => Some(ErrorCode::InvalidDpopProof),
            Self::UseNonce => Some(ErrorCode::UseDpopNonce),
            Self::InsufficientUserAuthentication => Some(ErrorCode::InsufficientUserAuthentication),
            Self::WrongModel | Self::WrongOrganization | Self::InsufficientScope => Some(ErrorCode::InsufficientScope),
            Self::MissingToken
            | Self::Denied
            | Self::Hidden
            | Self::Unavailable
            | Self::Misconfigured
            | Self::WebhookSignature
            | Self::WebhookBody
            | Self::WebhookTooLarge
            | Self::WebhookTimeout
            | Self::WebhookRecipient
            | Self::WebhookGone => None,
        }
    }

    /// Whether requests of this kind can be answered with a challenge: a new token may help.
    pub(crate) const fn has_challenge(self) -> bool {
        matches!(self.status(), StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && !matches!(self, Self::WebhookSignature | Self::WebhookBody)
    }

    /// Returns the fixed sentence for the client. It contains nothing that came with the request, and no `=`.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::MissingToken => "This resource requires a Bearer access token.",
            Self::InvalidRequest => "The request must carry exactly one well-formed Bearer token.",
            Self::ExpiredToken => "The access token has expired.",
            Self::RevokedToken => "The access token has been revoked.",
            Self::InvalidToken => "The access token is not valid for this API.",
            Self::OpaqueToken => "The access token is opaque or encrypted. Request it with the resource parameter.",
            Self::KeyNotFound => "The access token was signed with a key that the issuer does not publish.",
            Self::KeyUnresolved => "The signing key of the access token is not known yet. Try again.",
            Self::OutdatedToken => "The permissions behind the access token have changed. Request a new token.",
            Self::InvalidProof => "The DPoP proof is not valid for this request. Send a new proof.",
            Self::UseNonce => "The DPoP proof must contain the nonce of this response.",
            Self::InsufficientUserAuthentication => {
                "The user must sign in again: the sign-in behind the access token is too weak or too old."
            }
            Self::WrongModel => "The access token was issued for another kind of resource.",
            Self::WrongOrganization => "The request does not name an organization, or the access token is not for it.",
            Self::InsufficientScope => "The access token lacks a required scope.",
            Self::Denied => "The access token does not permit this request.",
            Self::Hidden => "The resource was not found.",
            Self::Unavailable => "The request cannot be authorized at the moment. Try again later.",
            Self::Misconfigured => "The server is not configured correctly.",
            Self::WebhookSignature => "The webhook has no valid signature.",
            Self::WebhookBody => "The body of the webhook is incomplete or cannot be read.",
            Self::WebhookTooLarge => "The body of the webhook is too large.",
            Self::WebhookTimeout => "The body of the webhook did not arrive in time.",
            Self::WebhookRecipient => "The webhook is for no issuer of this server.",
            Self::WebhookGone => "The issuer of the webhook was removed from this server.",
        }
    }
}

/// What the client can do about a rejection: a closed set, in the body of every response.
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
    /// Send the request again with a new DPoP proof for it.
    NewProof,
    /// Send the request again with a new DPoP proof that contains the nonce of the response (`DPoP-Nonce`).
    UseNonce,
    /// Have the user sign in again as the challenge says (`acr_values`, `max_age`).
    StepUp,
    /// Try again, after `Retry-After` where there is one.
    Retry,
    /// Nothing: an administrator could.
    None,
}

impl Remediation {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::None as usize + 1;

    /// Returns the word as it stands in the body.
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
            Self::NewProof => "new_proof",
            Self::UseNonce => "use_nonce",
            Self::StepUp => "step_up",
            Self::Retry => "retry",
            Self::None => "none",
        }
    }
}

/// The `error` codes of RFC 6750 section 3.1, RFC 9449 section 12.2 and RFC 9470 section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request is malformed: 400.
    InvalidRequest,
    /// The token is expired, revoked, malformed or not valid for this server: 401.
    InvalidToken,
    /// The token is valid and does not permit the request: 403.
    InsufficientScope,
    /// The DPoP proof is not valid for the request: 401.
    InvalidDpopProof,
    /// The DPoP proof must contain a nonce of this server: 401.
    UseDpopNonce,
    /// The user behind the token must sign in again: 401.
    InsufficientUserAuthentication,
}

impl ErrorCode {
    /// Returns the code as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const KINDS: [RejectionKind; 25] = [
        RejectionKind::MissingToken,
        RejectionKind::InvalidRequest,
        RejectionKind::ExpiredToken,
        RejectionKind::RevokedToken,
        RejectionKind::InvalidToken,
        RejectionKind::OpaqueToken,
        RejectionKind::KeyNotFound,
        RejectionKind::KeyUnresolved,
        RejectionKind::OutdatedToken,
        RejectionKind::InvalidProof,
        RejectionKind::UseNonce,
        RejectionKind::InsufficientUserAuthentication,
        RejectionKind::WrongModel,
        RejectionKind::WrongOrganization,
        RejectionKind::InsufficientScope,
        RejectionKind::Denied,
        RejectionKind::Hidden,
        RejectionKind::Unavailable,
        RejectionKind::Misconfigured,
        RejectionKind::WebhookSignature,
        RejectionKind::WebhookBody,
        RejectionKind::WebhookTooLarge,
        RejectionKind::WebhookTimeout,
        RejectionKind::WebhookRecipient,
        RejectionKind::WebhookGone,
    ];

    #[test]
    fn names_are_distinct_and_in_snake_case() {
        let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), KINDS.len());
        for kind in KINDS {
            assert!(kind.as_str().bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()), "{kind:?}");
            assert_eq!(kind.as_str().replace('_', ""), format!("{kind:?}").to_ascii_lowercase());
        }
    }

    #[test]
    fn descriptions_can_stand_in_challenges_and_grpc_messages() {
        for kind in KINDS {
            let text = kind.description();
            assert!(text.bytes().all(|byte| matches!(byte, 0x20..=0x7E) && !b"\"\\=%".contains(&byte)), "{text}");
        }
    }
}
