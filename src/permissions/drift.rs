//! How a token differs from what its subject holds.

use super::Permissions;
use crate::token::AccessToken;

/// The difference between the token of a request that passed and what its subject holds now. It is in the extensions of
/// a request that passed a policy with [`fresh_within`](crate::Policy::fresh_within) or [`live`](crate::Policy::live),
/// even if it is empty. The permissions that the route requires are present; everything else is for the application to
/// use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionDrift {
    lost: Box<[Box<str>]>,
    gained: Box<[Box<str>]>,
}

impl PermissionDrift {
    /// Returns the scopes of the token that the subject no longer holds.
    pub fn lost(&self) -> impl Iterator<Item = &str> {
        self.lost.iter().map(|scope| &**scope)
    }

    /// Returns the scopes that the subject holds and the token lacks.
    pub fn gained(&self) -> impl Iterator<Item = &str> {
        self.gained.iter().map(|scope| &**scope)
    }

    pub(crate) fn between(token: &AccessToken, live: &Permissions) -> Self {
        Self {
            lost: token.scopes().filter(|scope| !live.holds(scope)).map(Into::into).collect(),
            gained: live.scopes().filter(|scope| !token.has_scope(scope)).map(Into::into).collect(),
        }
    }
}
