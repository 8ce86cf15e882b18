//! From a verified token and a request to the organization that both are about.

mod path_params;
mod source;
mod subdomain;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use path_params::PathParams;
pub(crate) use source::Requested;
pub use source::{OrganizationSource, from_request, header, path, subdomain, token};

/// The *verified* organization of this request: the one that the request names and that the token was issued for.
///
/// An id means something only together with the issuer entry it came from: equality and hash are over both. `Display`
/// is the id. It is in the extensions of a request that passed a policy with an organization, and an axum extractor.
#[derive(Clone, Debug)]
pub struct Organization {
    issuer_name: Arc<str>,
    id: Arc<str>,
}

impl Organization {
    /// Only for a policy that found the two equal.
    pub(crate) fn verified(issuer_name: &str, id: &str) -> Self {
        Self { issuer_name: issuer_name.into(), id: id.into() }
    }

    /// The organization's id. Never empty.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of the issuer entry that the organization belongs to.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }
}

impl fmt::Display for Organization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

impl PartialEq for Organization {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.issuer_name == other.issuer_name
    }
}

impl Eq for Organization {}

impl Hash for Organization {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.issuer_name, &self.id).hash(state);
    }
}
