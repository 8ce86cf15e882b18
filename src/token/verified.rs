//! What is behind an [`AccessToken`](super::AccessToken), and what it weighs.

use std::sync::Arc;

use super::binding::{BoundKey, Confirmation};
use super::{Authentication, EntryVersion, Provenance, Subject, Times};
use crate::scope::ScopeList;
use crate::scoped::ScopedId;

/// What a verifier established. Whoever calls [`AccessToken::mint`] vouches for it.
pub(crate) struct Verified {
    /// Whose token it is, and by which settings it was read.
    pub(crate) entry: EntryVersion,
    pub(crate) issuer: Arc<str>,
    pub(crate) subject: Subject,
    /// The resource indicators of its issuer entry; the first one is "this API".
    pub(crate) resources: Arc<[Arc<str>]>,
    pub(crate) client_id: Option<Box<str>>,
    pub(crate) token_id: Option<Box<str>>,
    pub(crate) scopes: ScopeList,
    pub(crate) audience: Vec<Box<str>>,
    pub(crate) organization: Option<ScopedId>,
    /// The organization that the audience is, if it is one and nothing else.
    pub(crate) audience_organization: Option<ScopedId>,
    /// Absent for most tokens.
    pub(crate) parties: Option<Box<Parties>>,
    pub(crate) times: Times,
    /// What its sender must prove to hold. Absent for most tokens.
    pub(crate) confirmation: Option<Box<Confirmation>>,
    /// How and when its user signed in. Absent for many tokens.
    pub(crate) authentication: Option<Box<Authentication>>,
}

/// Who else a token is about.
pub(crate) struct Parties {
    /// Every organization among the audience.
    pub(super) organizations: Vec<Box<str>>,
    /// The subjects that act for the token's subject (RFC 8693 section 4.1), the current one first.
    pub(super) actors: Vec<Box<str>>,
}

impl Parties {
    /// `None` if there is none.
    pub(crate) fn of(organizations: Vec<Box<str>>, actors: Vec<Box<str>>) -> Option<Box<Self>> {
        let is_any = !organizations.is_empty() || !actors.is_empty();
        is_any.then(|| Box::new(Self { organizations, actors }))
    }
}

/// Where the claims are read when somebody asks for more than is in `Verified`.
pub(super) enum Origin {
    /// The token as it came, a JWS in compact form: what a cache of verified tokens compares. It is never shown.
    Jws { text: Arc<[u8]>, provenance: Provenance },
    /// What the issuer said of an opaque token.
    Answer { json: Box<[u8]>, token_digest: [u8; 32] },
}

impl Verified {
    /// The bytes that it takes in memory beside a fixed part.
    pub(super) fn size(&self) -> usize {
        /// What a small piece of memory costs to keep.
        const PIECE: usize = 48;
        let Self { subject, client_id, token_id, scopes, audience, organization, audience_organization, .. } = self;
        let more = self.parties.iter().flat_map(|parties| parties.organizations.iter().chain(&parties.actors));
        let more = more.map(|text| text.len() + PIECE);
        let texts = [Some(subject.id()), client_id.as_deref(), token_id.as_deref()];
        let organizations = [organization, audience_organization].into_iter().flatten();
        let audience = audience.iter().map(|audience| audience.len() + PIECE);
        let texts = texts.into_iter().flatten().map(|text| text.len() + PIECE);
        let organizations = organizations.map(|organization| organization.id.len() + 2 * PIECE);
        let sign_in = self.authentication.iter().map(|it| it.acr.as_ref().map_or(0, |acr| acr.len()) + 2 * PIECE);
        let key = self.confirmation.as_ref().and_then(|confirmation| confirmation.key()).map_or(0, |_| BoundKey::SIZE);
        scopes.size()
            + key
            + sign_in.sum::<usize>()
            + texts.chain(audience).chain(organizations).chain(more).sum::<usize>()
    }
}

impl Origin {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Jws { text, provenance } => text.len() + provenance.kid.as_ref().map_or(0, |kid| kid.len()),
            Self::Answer { json, .. } => json.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_of_a_token_is_that_of_its_text_and_key_id() {
        let size = |kid: Option<&str>| {
            let provenance = Provenance { kid: kid.map(Into::into), ..Provenance::dangling() };
            Origin::Jws { text: Arc::from(*b"a.b.c"), provenance }.size()
        };
        assert_eq!([size(None), size(Some("key"))], [5, 8]);
    }
}
