//! Why a lease is over, and what the client can do about it.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::issuer::keys::jitter;
use crate::name::stable_names;
use crate::rejection::{Rejection, RejectionKind, Remediation};

/// The reason for the end of a lease, and what the client can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    reason: EndReason,
    remediation: Remediation,
    /// In milliseconds; zero for none. Each lease has room for its end.
    retry_after: u32,
}

/// The reasons for which a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The token is past its `exp` and the leeway.
    Expired,
    /// The token was revoked.
    Revoked,
    /// The subject, or one that acts for it, is suspended or deleted.
    Suspended,
    /// The subject no longer holds what the route requires.
    PermissionLost,
    /// The issuer is no longer trusted.
    IssuerRemoved,
    /// The settings of the issuer have changed, and the token is not valid by the new ones.
    IssuerUpdated,
    /// The issuer no longer publishes the key that signed the token.
    KeyWithdrawn,
    /// The user signed in too long ago for the route.
    SignInTooOld,
    /// A decision point no longer allows it.
    DecisionChanged,
    /// The client sent a new token that does not meet the policy.
    Lessened,
    /// It cannot be known any more whether the right still holds.
    Undecided,
    /// The server is closing.
    Closing,
}

stable_names!(EndReason {
    Expired => "expired",
    Revoked => "revoked",
    Suspended => "suspended",
    PermissionLost => "permission_lost",
    IssuerRemoved => "issuer_removed",
    IssuerUpdated => "issuer_updated",
    KeyWithdrawn => "key_withdrawn",
    SignInTooOld => "sign_in_too_old",
    DecisionChanged => "decision_changed",
    Lessened => "lessened",
    Undecided => "undecided",
    Closing => "closing",
});

/// Clients that are told to come again do so within this time, one after the other.
const RETURN: Duration = Duration::from_secs(10);

/// Registered with IANA: the client is not authenticated any more.
const UNAUTHORIZED: u16 = 3000;
/// RFC 6455 section 7.4.1, and as registered since.
const POLICY_VIOLATION: u16 = 1008;
const SERVICE_RESTART: u16 = 1012;
const TRY_AGAIN_LATER: u16 = 1013;

impl Ended {
    /// Returns the end of what a server closes by itself: it stops, or serves the route in another way from now on. The client
    /// should come again, each after another time, within eleven seconds. [`ResourceServer::close`](crate::ResourceServer::close)
    /// ends leases with it.
    #[must_use]
    pub fn closing() -> Self {
        Self::retry(EndReason::Closing, Duration::from_secs(1) + RETURN.mul_f64(jitter()))
    }

    pub(super) const fn new(reason: EndReason, remediation: Remediation) -> Self {
        Self { reason, remediation, retry_after: 0 }
    }

    /// The client may come again after this time.
    pub(super) fn retry(reason: EndReason, after: Duration) -> Self {
        Self { reason, remediation: Remediation::Retry, retry_after: in_milliseconds(after) }
    }

    pub(super) fn because(reason: EndReason, rejection: &Rejection) -> Self {
        let retry_after = rejection.retry_after().map_or(0, in_milliseconds);
        Self { reason, remediation: rejection.remediation(), retry_after }
    }

    /// `otherwise`: what a rejection of the policy means that says nothing more precise.
    pub(crate) fn by(rejection: &Rejection, otherwise: EndReason) -> Self {
        let reason = match rejection.kind() {
            RejectionKind::ExpiredToken => EndReason::Expired,
            RejectionKind::RevokedToken if rejection.remediation() == Remediation::Authenticate => EndReason::Suspended,
            RejectionKind::RevokedToken => EndReason::Revoked,
            RejectionKind::KeyNotFound | RejectionKind::KeyUnresolved => EndReason::KeyWithdrawn,
            RejectionKind::OutdatedToken | RejectionKind::InsufficientScope | RejectionKind::WrongOrganization => {
                EndReason::PermissionLost
            }
            RejectionKind::InsufficientUserAuthentication => EndReason::SignInTooOld,
            RejectionKind::Unavailable | RejectionKind::Misconfigured => EndReason::Undecided,
            _ => otherwise,
        };
        Self::because(reason, rejection)
    }

    /// Returns the reason.
    #[must_use]
    pub const fn reason(&self) -> EndReason {
        self.reason
    }

    /// Returns what the client can do about it.
    #[must_use]
    pub const fn remediation(&self) -> Remediation {
        self.remediation
    }

    /// Returns when the client may reconnect, if the remediation is `retry`. Leases that end together return different
    /// times.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.retry_after {
            0 => None,
            after => Some(Duration::from_millis(after as u64)),
        }
    }

    /// Returns the status that a request would receive now: 401, 403 or 503.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.remediation {
            Remediation::Retry => StatusCode::SERVICE_UNAVAILABLE,
            Remediation::None | Remediation::RequestScope | Remediation::Reconsent => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// Returns the code to close a WebSocket with: 3000 (unauthorized) where the client can do something about it, 1008 (policy
    /// violation) where it cannot, 1012 (service restart) and 1013 (try again later) for the remediation `retry`.
    #[must_use]
    pub const fn close_code(&self) -> u16 {
        match (self.remediation, self.reason) {
            (Remediation::None, _) => POLICY_VIOLATION,
            (Remediation::Retry, EndReason::Closing) => SERVICE_RESTART,
            (Remediation::Retry, _) => TRY_AGAIN_LATER,
            _ => UNAUTHORIZED,
        }
    }

    /// Returns the gRPC status code: 16 (unauthenticated), 7 (permission denied) or 14 (unavailable).
    #[must_use]
    pub fn grpc_code(&self) -> u8 {
        match self.status() {
            StatusCode::UNAUTHORIZED => 16,
            StatusCode::FORBIDDEN => 7,
            _ => 14,
        }
    }
}

fn in_milliseconds(after: Duration) -> u32 {
    u32::try_from(after.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// The reason and the remediation, for a log or a message to the client.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.as_str(), self.remediation.as_str())
    }
}

impl std::error::Error for Ended {}
