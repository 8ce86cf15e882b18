//! What a token must be for, and whose.

use std::fmt;
use std::sync::Arc;

use crate::name::Name;
use crate::organization::RequestSource;
use crate::token::{AccessToken, IssuerId};

/// The authorization model.
#[derive(Clone, Debug)]
pub(super) enum Model {
    /// Any token that this server serves.
    Authenticated,
    /// The API as a whole; without an indicator, the API's first one. The request may be about an organization that the
    /// token does not name.
    Resource { indicator: Option<Arc<str>>, about: Option<RequestSource> },
    /// An organization's own permissions.
    Organization(RequestSource),
    /// The API within one organization.
    ResourceInOrganization(Option<Arc<str>>, RequestSource),
    /// The API, in an organization that the permission source says the subject is a member of, through its client.
    Member { indicator: Option<Arc<str>>, source: RequestSource, acting_allowed: bool },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IssuerRule {
    Any,
    Named(Arc<str>),
    /// The one entry there was when the policy was compiled, whatever it is called later, and no other one of its name.
    Only(Arc<str>, IssuerId),
}

impl IssuerRule {
    /// Whether tokens of this issuer entry are accepted.
    pub(super) fn accepts(&self, token: &AccessToken) -> bool {
        match self {
            Self::Any => true,
            Self::Named(name) => *token.issuer_name() == **name,
            Self::Only(_, id) => token.entry().issuer == *id,
        }
    }
}

impl Model {
    /// Where the request names the organization that the token must be for.
    pub(super) fn source(&self) -> Option<&RequestSource> {
        match self {
            Self::Organization(source) | Self::ResourceInOrganization(_, source) | Self::Member { source, .. } => {
                Some(source)
            }
            Self::Authenticated | Self::Resource { .. } => None,
        }
    }

    /// Where the request names the organization that it is about, whoever vouches for it.
    pub(super) fn any_source(&self) -> Option<&RequestSource> {
        match self {
            Self::Resource { about, .. } => about.as_ref(),
            other => other.source(),
        }
    }

    pub(super) fn indicator(&self) -> Option<&Arc<str>> {
        match self {
            Self::Resource { indicator, .. }
            | Self::ResourceInOrganization(indicator, _)
            | Self::Member { indicator, .. } => indicator.as_ref(),
            Self::Authenticated | Self::Organization(_) => None,
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = |f: &mut fmt::Formatter<'_>, indicator: &Option<Arc<str>>| {
            f.write_str("resource")?;
            indicator.as_ref().map_or(Ok(()), |indicator| write!(f, " {}", Name(indicator)))
        };
        match self {
            Self::Authenticated => f.write_str("authenticated"),
            Self::Resource { indicator, about } => {
                resource(f, indicator)?;
                about.as_ref().map_or(Ok(()), |source| write!(f, " about {source}"))
            }
            Self::Organization(source) if source.is_any() => write!(f, "{source}"),
            Self::Organization(source) => write!(f, "organization from {source}"),
            Self::ResourceInOrganization(indicator, source) => {
                resource(f, indicator)?;
                f.write_str(if source.is_any() { " in " } else { " in organization from " })?;
                source.fmt(f)
            }
            Self::Member { indicator, source, acting_allowed } => {
                resource(f, indicator)?;
                write!(f, " for member of organization from {source}")?;
                f.write_str(if *acting_allowed { " [acting allowed]" } else { "" })
            }
        }
    }
}

impl fmt::Display for IssuerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any issuer"),
            Self::Named(name) | Self::Only(name, _) => write!(f, "issued by {}", Name(name)),
        }
    }
}
