//! What can be known of a revocation, and what it answers.

use std::fmt;
use std::time::SystemTime;

use crate::issuer::ORGANIZATION_URN;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::token::AccessToken;

/// One fact, about one issuer entry. Moments are by the issuer's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revocation<'a> {
    /// Tokens of this subject, issued at the moment or earlier.
    Subject {
        /// The `sub` of its tokens: a user's id, or a machine's client id.
        subject: &'a str,
        /// The moment.
        not_before: SystemTime,
    },
    /// Tokens of this subject for this organization, issued at the moment or earlier.
    Member {
        /// The organization's id.
        organization: &'a str,
        /// The `sub` of its tokens.
        subject: &'a str,
        /// The moment.
        not_before: SystemTime,
    },
    /// Everybody's tokens for this organization, issued at the moment or earlier.
    Organization {
        /// The organization's id.
        organization: &'a str,
        /// The moment.
        not_before: SystemTime,
    },
    /// Tokens that were issued to this client, at the moment or earlier.
    Client {
        /// The `client_id` of its tokens.
        client: &'a str,
        /// The moment.
        not_before: SystemTime,
    },
    /// All tokens of the issuer entry, issued at the moment or earlier.
    Everyone {
        /// The moment.
        not_before: SystemTime,
    },
    /// One token.
    Token {
        /// Its `jti`.
        token_id: &'a str,
        /// When it was revoked. It must not be long before the token was issued: where the list runs out of room, the tokens
        /// of that time and five minutes more are refused with it.
        at: SystemTime,
    },
    /// This user was suspended, or is no longer.
    Suspension {
        /// The user's id.
        subject: &'a str,
        /// Whether the user is suspended from this moment on.
        suspended: bool,
        /// The moment, to the millisecond: of two facts the later one counts.
        at: SystemTime,
    },
    /// This user was deleted.
    Deletion {
        /// The user's id.
        subject: &'a str,
        /// The moment.
        at: SystemTime,
    },
}

/// Why a verified token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Revoked {
    /// It was issued too early: something happened since.
    NotBefore,
    /// It was revoked by its `jti`.
    TokenId,
    /// Its subject is suspended or deleted.
    Blocked,
}

impl Revoked {
    /// What the client can do: get a new token without a sign-in; for a blocked subject sign in again, since its refresh
    /// tokens stay dead even after the block.
    #[must_use]
    pub const fn remediation(self) -> Remediation {
        match self {
            Self::NotBefore | Self::TokenId => Remediation::Refresh,
            Self::Blocked => Remediation::Authenticate,
        }
    }
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Revoked {
    const fn reason(self) -> &'static str {
        match self {
            Self::NotBefore => "issued before tokens like it were revoked",
            Self::TokenId => "its jti was revoked",
            Self::Blocked => "its subject is suspended or deleted",
        }
    }
}

impl std::error::Error for Revoked {}

impl From<Revoked> for Rejection {
    fn from(revoked: Revoked) -> Self {
        Self::new(RejectionKind::RevokedToken, revoked.remediation(), revoked.reason())
    }
}

/// The organizations that a token is of: its organization claim, and every `urn:logto:organization:{id}` of its audience.
pub fn organizations_of(token: &AccessToken) -> impl Iterator<Item = &str> {
    token.organization_claim().into_iter().chain(token.audience().filter_map(|aud| aud.strip_prefix(ORGANIZATION_URN)))
}
