//! The verified access token, and the one place where it is minted.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;

use super::binding::Confirmation;
use super::claims_error::ClaimsError;
use super::verified::Origin;
use super::{Authentication, EntryVersion, NumericDate, Provenance, Subject, Times, Verified};
use crate::scoped::ScopedId;

/// A *verified* access token: its signature, type, issuer, audience and lifetime were checked.
///
/// A cheap clone. Only the verifier can make one, so to hold one is to know that. It is in the extensions of a request
/// that passed a policy, and an axum extractor.
#[derive(Clone)]
pub struct AccessToken(Arc<Minted>);

struct Minted {
    verified: Verified,
    origin: Origin,
    /// Weighed once: a cache asks again when it lets go.
    size: usize,
}

impl AccessToken {
    pub(crate) fn mint(verified: Verified, jws: &[u8], provenance: Provenance) -> Self {
        Self::minted(verified, Origin::Jws { text: jws.into(), provenance })
    }

    /// Of an opaque token nothing is kept but its digest.
    pub(crate) fn mint_introspected(verified: Verified, json: &[u8], token_digest: [u8; 32]) -> Self {
        Self::minted(verified, Origin::Answer { json: json.into(), token_digest })
    }

    fn minted(verified: Verified, origin: Origin) -> Self {
        let size = verified.size() + origin.size();
        Self(Arc::new(Minted { verified, origin, size }))
    }

    /// Returns the `iss` claim: one of the values that its issuer entry trusts.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.verified.issuer
    }

    /// Returns the name of the issuer entry that verified this token.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        self.0.verified.subject.issuer_name()
    }

    /// Returns the subject of the token.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.verified.subject
    }

    /// Returns the client that the token was issued to; `None` only under the profile `untyped_jwt`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.0.verified.client_id.as_deref()
    }

    /// Returns the `jti` claim.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.0.verified.token_id.as_deref()
    }

    /// Returns the scopes, in the order of the token.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.verified.scopes.iter()
    }

    /// Returns whether the token has exactly this scope. What the scope is *for* depends on the audience and the
    /// organization, so a handler should rely on its policy.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.verified.scopes.contains(scope)
    }

    /// Returns the values of the `aud` claim, at least one.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.0.verified.audience.iter().map(|audience| &**audience)
    }

    /// Returns the organization claim (`organization_id`) as the token states it. Which organization *the request* is
    /// about, and that both are the same, is stated by [`Organization`](crate::Organization).
    #[must_use]
    pub fn organization_claim(&self) -> Option<&str> {
        self.0.verified.organization.as_ref().map(|organization| &*organization.id)
    }

    /// Returns the `exp` claim, without leeway. A connection that outlives its request (SSE, a WebSocket) should end at
    /// this time.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// async fn until_the_token_ends(token: orgate::AccessToken) {
    ///     let left = token.expires_at().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
    ///     tokio::time::sleep(left).await;
    /// }
    /// ```
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.0.verified.times.expires_at.to_system_time()
    }

    /// Returns the `iat` claim.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.0.verified.times.issued_at.map(NumericDate::to_system_time)
    }

    /// Returns the `nbf` claim.
    #[must_use]
    pub fn not_before(&self) -> Option<SystemTime> {
        self.0.verified.times.not_before.map(NumericDate::to_system_time)
    }

    /// Returns the authentication context of the user's sign-in: the `acr` claim, or the one that
    /// [`Issuer::acr_claim`](crate::Issuer::acr_claim) names. `None` where it is missing or no string.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.authentication()?.acr.as_deref()
    }

    /// Returns when the user signed in: the `auth_time` claim, or the one that
    /// [`Issuer::auth_time_claim`](crate::Issuer::auth_time_claim) names. `None` where it is missing, no date, or ahead of
    /// the server's clock by more than the leeway when the token was verified.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<SystemTime> {
        self.authentication()?.auth_time.map(NumericDate::to_system_time)
    }

    /// Deserializes the claims into your type. Each call parses anew.
    ///
    /// # Errors
    ///
    /// Returns an error if the claims do not fit `T`.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        ClaimsError::parse(&self.payload())
    }

    /// The indicators that the token's issuer entry may speak for; the first one is "this API".
    pub(crate) fn resources(&self) -> &[Arc<str>] {
        &self.0.verified.resources
    }

    pub(crate) fn claimed_organization(&self) -> Option<&ScopedId> {
        self.0.verified.organization.as_ref()
    }

    pub(crate) fn audience_organization(&self) -> Option<&ScopedId> {
        self.0.verified.audience_organization.as_ref()
    }

    /// The organizations among the audience.
    pub(crate) fn audience_organizations(&self) -> &[Box<str>] {
        self.0.verified.parties.as_ref().map_or(&[], |parties| &parties.organizations)
    }

    /// The organizations that the token is for: those of its audience, and its organization claim.
    pub(crate) fn organizations(&self) -> impl Iterator<Item = &str> {
        self.organization_claim().into_iter().chain(self.audience_organizations().iter().map(|id| &**id))
    }

    /// The subjects that act for its subject.
    pub(crate) fn actors(&self) -> impl Iterator<Item = &str> {
        self.0.verified.parties.iter().flat_map(|parties| &parties.actors).map(|actor| &**actor)
    }

    /// Whose token it is, and by which settings it was read.
    pub(crate) fn entry(&self) -> EntryVersion {
        self.0.verified.entry
    }

    /// Returns whether the token is bound to a key or a certificate. The sender of a request that passed has proved to
    /// hold it.
    #[must_use]
    pub fn is_sender_constrained(&self) -> bool {
        self.0.verified.confirmation.is_some()
    }

    pub(crate) fn confirmation(&self) -> Option<&Confirmation> {
        self.0.verified.confirmation.as_deref()
    }

    pub(crate) fn authentication(&self) -> Option<&Authentication> {
        self.0.verified.authentication.as_deref()
    }

    /// Whether both are one token.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.digest() == other.digest()
    }

    pub(crate) fn times(&self) -> &Times {
        &self.0.verified.times
    }

    /// What stands for this token, and for no other one.
    pub(crate) fn digest(&self) -> [u8; 32] {
        match &self.0.origin {
            Origin::Jws { text, .. } => crate::signature::sha256(text),
            Origin::Answer { token_digest, .. } => *token_digest,
        }
    }

    /// The token as it came and what it was verified with, if it was a JWT.
    pub(crate) fn jws(&self) -> Option<(&Arc<[u8]>, &Provenance)> {
        match &self.0.origin {
            Origin::Jws { text, provenance } => Some((text, provenance)),
            Origin::Answer { .. } => None,
        }
    }

    /// The bytes that it takes in memory beside a fixed part, which is much the same for all.
    pub(crate) fn size(&self) -> usize {
        self.0.size
    }

    /// The claims set, as it was signed or said.
    pub(crate) fn payload(&self) -> Cow<'_, [u8]> {
        match &self.0.origin {
            Origin::Jws { text, .. } => {
                let payload = text.split(|&byte| byte == b'.').nth(1).unwrap_or_default();
                // It was decoded before it was verified.
                URL_SAFE_NO_PAD.decode(payload).unwrap_or_default().into()
            }
            Origin::Answer { json, .. } => Cow::Borrowed(json),
        }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("issuer", &self.0.verified.issuer).finish_non_exhaustive()
    }
}
