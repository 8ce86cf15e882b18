//! The organization of a request, which must be the organization of its token.

mod path_params;
pub(crate) mod source;
mod subdomain;
mod tool_arguments;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::name::stable_names;
use crate::scoped::ScopedId;

pub use path_params::PathParams;
pub(crate) use path_params::{matched_path, matched_route, original_path, outline, path_params};
pub(crate) use source::{RememberSources, RequestSource, Requested, SourceKind, SourceMemory};
pub(crate) use source::{any_organization, argument, custom, header, path, subdomain};
pub(crate) use tool_arguments::ToolArguments;

/// The organization of this request: the one that the request names and that the token was issued for, which is *verified*; or,
/// under [`Policy::about`](crate::Policy::about), the one that the request names and that the token does not.
///
/// [`provenance`](Self::provenance) tells the two apart. An id means something only together with the issuer entry it came
/// from: equality and hash are over both. `Display` is the id; where the server has several entries, the [issuer](Self::issuer), a
/// space and the id. [`key`](Self::key) is what to key data by.
#[derive(Clone, Debug)]
pub struct Organization {
    id: ScopedId,
    provenance: OrganizationProvenance,
}

/// The origin of an [`Organization`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrganizationProvenance {
    /// The issuer: the token is for this organization, and the request names it.
    Token,
    /// The permission source: the request names the organization, and the source says that the token's subject is a member
    /// of it.
    PermissionSource,
    /// The policy alone: the request names the organization, the token none, and whoever meets the policy's clause may do
    /// what the route does in any organization. The id may be of an organization that does not exist.
    Policy,
}

stable_names!(OrganizationProvenance {
    Token => "token",
    PermissionSource => "permission_source",
    Policy => "policy",
});

impl PartialEq for Organization {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Organization {}

impl Hash for Organization {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl Organization {
    /// Only for a policy that found it equal to the one that the request names.
    pub(crate) fn verified(of_token: &ScopedId) -> Self {
        Self { id: of_token.clone(), provenance: OrganizationProvenance::Token }
    }

    /// Only for a policy that says `about(..)`.
    pub(crate) fn vouched(of_request: ScopedId) -> Self {
        Self { id: of_request, provenance: OrganizationProvenance::Policy }
    }

    /// Only for a policy that says `for_member_of(..)`, whose clause passes only with the source's word.
    pub(crate) fn of_member(of_request: ScopedId) -> Self {
        Self { id: of_request, provenance: OrganizationProvenance::PermissionSource }
    }

    /// Returns who vouches for it.
    #[must_use]
    pub fn provenance(&self) -> OrganizationProvenance {
        self.provenance
    }

    pub(crate) fn shared_id(&self) -> &Arc<str> {
        &self.id.id
    }

    /// Returns the organization's id. Never empty.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id.id
    }

    /// Returns the name of the issuer entry that the organization belongs to.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        self.id.entry.name()
    }

    /// Returns the first `iss` value of the issuer entry that the organization belongs to, which identifies it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.id.entry.iss()
    }

    /// Returns what to key data by: the [issuer](Self::issuer) and the [id](Self::id). With several issuers, the id alone may be
    /// that of two organizations.
    #[must_use]
    pub fn key(&self) -> (&str, &str) {
        (self.issuer(), self.id())
    }
}

impl fmt::Display for Organization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.id.entry.has_others() {
            // No white space is in an `iss`, so the two parts can be told apart.
            f.write_str(self.issuer())?;
            f.write_str(" ")?;
        }
        self.id.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

    use super::*;
    use crate::scoped::{EntryName, Others};

    const ISS: &str = "https://a.example.com";

    fn organization(iss: &str, id: &str, others: &Others) -> Organization {
        let entry = EntryName::new(&"customers".into(), &iss.into(), others.clone());
        Organization::verified(&ScopedId::new(&entry, id))
    }

    #[test]
    fn issuer_is_printed_only_where_there_are_several() {
        let others = Others::default();
        let acme = organization(ISS, "acme", &others);
        assert_eq!((acme.id(), &**acme.shared_id()), ("acme", "acme"));
        assert_eq!((acme.issuer_name(), acme.issuer(), acme.key()), ("customers", ISS, (ISS, "acme")));
        assert_eq!(acme.to_string(), "acme");
        others.note();
        assert_eq!(acme.to_string(), "https://a.example.com acme");
    }

    #[test]
    fn equality_and_hash_are_over_issuer_and_id() {
        let others = Others::default();
        let hash = |organization: &Organization| BuildHasherDefault::<DefaultHasher>::default().hash_one(organization);
        let acme = organization(ISS, "acme", &others);
        let same = Organization::of_member(ScopedId::new(&EntryName::from(ISS), "acme"));
        assert_eq!((&acme, hash(&acme)), (&same, hash(&same)));
        for other in [organization(ISS, "umbrella", &others), organization("https://b.example.com", "acme", &others)] {
            assert_ne!(acme, other);
            assert_ne!(hash(&acme), hash(&other), "{other:?}");
        }
    }
}
