//! From a verified token and a request to the organization that both are about.

mod path_params;
mod source;
mod subdomain;

use std::fmt;
use std::sync::Arc;

use crate::scoped::ScopedId;

pub use path_params::PathParams;
pub(crate) use path_params::{matched_path, matched_route};
pub(crate) use source::Requested;
pub use source::{RequestSource, any_organization, custom, header, path, subdomain};

/// The *verified* organization of this request: the one that the request names and that the token was issued for.
///
/// An id means something only together with the issuer entry it came from: equality and hash are over both. `Display`
/// is the id. It is in the extensions of a request that passed a policy with an organization, and an axum extractor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Organization(ScopedId);

impl Organization {
    /// Only for a policy that found it equal to the one that the request names.
    pub(crate) fn verified(of_token: &ScopedId) -> Self {
        Self(of_token.clone())
    }

    pub(crate) fn shared_id(&self) -> &Arc<str> {
        &self.0.id
    }

    /// The organization's id. Never empty.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The name of the issuer entry that the organization belongs to.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.0.issuer_name
    }
}

impl fmt::Display for Organization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
