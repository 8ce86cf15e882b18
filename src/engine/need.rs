//! Why a request is not granted: the one type that says "no", and the one that says "not yet".

use std::sync::Arc;

use crate::decision::WantedDecisions;
use crate::issuer::TrustedIssuer;
use crate::issuer::keys::Arrival;
use crate::permissions::WantedPermissions;
use crate::rejection::Rejection;
use crate::signature::{Algorithm, VerifyingKey};
use crate::token::binding::Unshared;
use crate::token::introspect::Introspector;

/// Why there is no grant, or none yet.
pub(crate) enum Stop {
    /// There will be none.
    Reject(Rejection),
    /// This is missing: the decision is made again once it is there.
    Need(Need),
}

/// What a decision lacks. Small, since every decision returns room for it.
pub(crate) enum Need {
    /// A key of an issuer.
    Key(Box<MissingKey>),
    /// A permit to check a signature.
    Permit,
    /// What the issuer says of an opaque token.
    Introspection(Box<Question>),
    /// What a subject holds now.
    Permissions(Box<WantedPermissions>),
    /// What a decision point says: all questions of one clause.
    Decisions(Box<WantedDecisions>),
    /// That replicas record a proof.
    Proof(Box<Unshared>),
}

/// The key that a token names and that is not there.
pub(crate) struct MissingKey {
    pub(crate) issuer: Arc<TrustedIssuer>,
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) arrival: Arrival,
    /// Keys that did not verify the token.
    pub(crate) failed: Vec<Arc<VerifyingKey>>,
    /// Whether the token says that it was issued just now.
    pub(crate) is_new: bool,
}

/// An opaque token, and whom to ask about it.
pub(crate) struct Question {
    pub(crate) introspector: Arc<Introspector>,
    pub(crate) token: Box<str>,
    pub(crate) issuer: Arc<TrustedIssuer>,
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Self::Reject(rejection)
    }
}

impl From<Need> for Stop {
    fn from(need: Need) -> Self {
        Self::Need(need)
    }
}
