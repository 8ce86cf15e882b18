//! The kinds of token that an issuer signs.

use serde_json::{Map, Value, json};

use super::keys::random;
use super::release::LogtoRelease;

/// What the token is for.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Resource { audience: String, organization: Option<String> },
    Organization { audience: String },
    Id { audience: String },
    Logout { audience: String },
}

impl Kind {
    pub(super) fn typ(&self, release: LogtoRelease) -> Option<&'static str> {
        match self {
            Self::Resource { .. } | Self::Organization { .. } => Some("at+jwt"),
            Self::Id { .. } => (release < LogtoRelease::V1_42).then_some("JWT"),
            Self::Logout { .. } => Some("logout+jwt"),
        }
    }

    pub(super) const fn is_access_token(&self) -> bool {
        matches!(self, Self::Resource { .. } | Self::Organization { .. })
    }

    /// What tells this kind from others.
    pub(super) fn claims(&self) -> Map<String, Value> {
        let claims = match self {
            Self::Resource { audience, organization: None } | Self::Organization { audience } => {
                json!({ "aud": audience, "jti": random(16) })
            }
            Self::Resource { audience, organization: Some(organization) } => {
                json!({ "aud": audience, "jti": random(16), "organization_id": organization })
            }
            Self::Id { audience } => json!({ "aud": audience, "nonce": random(12), "at_hash": random(24) }),
            Self::Logout { audience } => {
                let events = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
                json!({ "aud": audience, "jti": random(16), "events": events })
            }
        };
        match claims {
            Value::Object(claims) => claims,
            _ => Map::new(),
        }
    }
}
