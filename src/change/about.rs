//! What a change is about, and what it does.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::stable_names;

/// The subject of a change, within one issuer entry.
///
/// Serialized as an object with the member `kind` (`subject`, `member`, `organization_template`, ...) and the ids.
///
/// ```
/// use orgate::change::About;
/// use orgate::server::{ChangeError, IssuerHandle};
///
/// fn revoke(issuer: &IssuerHandle) -> Result<(), ChangeError> {
///     issuer.revoke(About::member("acme", "alice"))?;
///     issuer.revoke(About::client("mobile-app"))?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum About {
    /// Everything that is known about the issuer.
    Everything,
    /// All tokens of the issuer.
    Everyone,
    /// One subject: everything about it.
    #[non_exhaustive]
    Subject {
        /// The `sub` of its tokens: a user's id, or the client's for a machine.
        #[serde(with = "super::text")]
        subject: Arc<str>,
    },
    /// One subject's membership in one organization.
    #[non_exhaustive]
    Member {
        /// The organization's id.
        #[serde(with = "super::text")]
        organization: Arc<str>,
        /// The `sub` of the member's tokens.
        #[serde(with = "super::text")]
        subject: Arc<str>,
    },
    /// Everything in one organization.
    #[non_exhaustive]
    Organization {
        /// The organization's id.
        #[serde(with = "super::text")]
        organization: Arc<str>,
    },
    /// The tokens that were issued to one client.
    #[non_exhaustive]
    Client {
        /// The `client_id` of the tokens.
        #[serde(with = "super::text")]
        client: Arc<str>,
    },
    /// One token.
    #[non_exhaustive]
    Token {
        /// Its `jti`.
        #[serde(with = "super::text")]
        token_id: Arc<str>,
    },
    /// The organization template: what the roles of all organizations hold.
    OrganizationTemplate,
    /// What API roles hold.
    ApiPermissions,
}

stable_names!(About {
    Everything => "everything",
    Everyone => "everyone",
    Subject => "subject",
    Member => "member",
    Organization => "organization",
    Client => "client",
    Token => "token",
    OrganizationTemplate => "organization_template",
    ApiPermissions => "api_permissions",
});

impl About {
    /// Names a subject by the `sub` of its tokens.
    #[must_use]
    pub fn subject(subject: impl Into<Arc<str>>) -> Self {
        Self::Subject { subject: subject.into() }
    }

    /// Names one subject's membership in an organization.
    #[must_use]
    pub fn member(organization: impl Into<Arc<str>>, subject: impl Into<Arc<str>>) -> Self {
        Self::Member { organization: organization.into(), subject: subject.into() }
    }

    /// Names an organization by its id.
    #[must_use]
    pub fn organization(organization: impl Into<Arc<str>>) -> Self {
        Self::Organization { organization: organization.into() }
    }

    /// Names a client by its id.
    #[must_use]
    pub fn client(client: impl Into<Arc<str>>) -> Self {
        Self::Client { client: client.into() }
    }

    /// Names a token by its `jti`.
    #[must_use]
    pub fn token(token_id: impl Into<Arc<str>>) -> Self {
        Self::Token { token_id: token_id.into() }
    }

    /// Whether it concerns most of the issuer's subjects.
    pub(crate) const fn is_wide(&self) -> bool {
        matches!(self, Self::Everything | Self::Everyone | Self::OrganizationTemplate | Self::ApiPermissions)
    }
}

/// The effect of a change.
///
/// Serialized as `not_before`, `suspended`, `restored`, `deleted` or `edited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// Tokens that were issued at the moment or earlier are rejected.
    NotBefore,
    /// All tokens of the subject are rejected, whenever they were issued, until it is restored.
    Suspended,
    /// Ends a suspension that is older.
    Restored,
    /// A subject no longer exists, a member left, an organization is gone.
    Deleted,
    /// What tokens state may differ from what holds now. Nothing is rejected; what was asked before is asked again.
    Edited,
}

stable_names!(Effect {
    NotBefore => "not_before",
    Suspended => "suspended",
    Restored => "restored",
    Deleted => "deleted",
    Edited => "edited",
});
