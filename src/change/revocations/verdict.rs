//! Why a token is rejected, and what that answers.

use std::time::Duration;

use crate::rejection::{Rejection, RejectionKind, Remediation};

/// Why a verified token is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    /// It was issued too early: something happened since.
    NotBefore,
    /// The same, and a token issued before this time is over would be rejected too.
    NotYet(Duration),
    /// It was revoked by its `jti`.
    TokenId,
    /// Its subject, or one that acts for it, is suspended or deleted.
    Blocked,
    /// Its issuer entry was removed.
    Removed,
}

impl Revoked {
    /// What the client can do: get a new token without a sign-in; for a blocked subject sign in again, since its refresh
    /// tokens stay dead even after the block.
    const fn remediation(self) -> Remediation {
        match self {
            Self::NotBefore | Self::TokenId => Remediation::Refresh,
            Self::NotYet(_) => Remediation::Retry,
            Self::Blocked | Self::Removed => Remediation::Authenticate,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::NotBefore => "issued before tokens like it were revoked",
            Self::NotYet(_) => "issued before tokens like it were revoked, as a new one would be",
            Self::TokenId => "its jti was revoked",
            Self::Blocked => "its subject is suspended or deleted",
            Self::Removed => "its issuer entry was removed",
        }
    }
}

impl From<Revoked> for Rejection {
    fn from(revoked: Revoked) -> Self {
        let rejection = Self::new(RejectionKind::RevokedToken, revoked.remediation(), revoked.reason());
        match revoked {
            Revoked::NotYet(left) => rejection.with_retry_after(left),
            _ => rejection,
        }
    }
}

/// The size of the list of revocations, over all issuer entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevocationCounts {
    /// Rows, suspensions aside: subjects, members, organizations, clients and tokens. Some may have ended.
    pub rows: usize,
    /// Suspensions, those that were lifted and are remembered against repeated deliveries included.
    pub suspensions: usize,
    /// Blocks that have become a *not before* for want of room. Above zero, a subject that should be blocked may not be:
    /// raise the bounds.
    pub weakened_blocks: u64,
}
