//! The verified access token, and the one place where it is minted.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;

use crate::scope::ScopeList;
use crate::scoped::ScopedId;

/// A *verified* access token: its signature, type, issuer, audience and life time have been judged.
///
/// A cheap clone. Only the verifier can make one, so to hold one is to know that. It is in the extensions of a request
/// that passed a policy, and an axum extractor.
#[derive(Clone)]
pub struct AccessToken(Arc<Minted>);

struct Minted {
    verified: Verified,
    /// The token as it came, a JWS in compact form: what a cache of verified tokens compares, and where the claims are
    /// read when somebody asks for more than is in `verified`. It is shown to nobody.
    jws: Arc<[u8]>,
}

/// What a verifier established. Whoever calls [`AccessToken::mint`] vouches for it.
pub(crate) struct Verified {
    pub(crate) issuer: Arc<str>,
    pub(crate) subject: Subject,
    /// The resource indicators of its issuer entry; the first one is "this API".
    pub(crate) resources: Arc<[Arc<str>]>,
    pub(crate) client_id: Option<Box<str>>,
    pub(crate) token_id: Option<Box<str>>,
    pub(crate) scopes: ScopeList,
    pub(crate) audience: Vec<Box<str>>,
    pub(crate) organization: Option<Arc<str>>,
    /// The organization that the audience is, if it is one and nothing else.
    pub(crate) audience_organization: Option<Arc<str>>,
    pub(crate) times: Times,
}

/// When a token ends, when it was issued, and when it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) expires_at: NumericDate,
    pub(crate) not_before: Option<NumericDate>,
    pub(crate) issued_at: Option<NumericDate>,
}

impl AccessToken {
    pub(crate) fn mint(verified: Verified, jws: impl Into<Arc<[u8]>>) -> Self {
        Self(Arc::new(Minted { verified, jws: jws.into() }))
    }

    /// The `iss` claim: one of the values that its issuer entry trusts.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.verified.issuer
    }

    /// The name of the issuer entry that verified this token.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        self.0.verified.subject.issuer_name()
    }

    /// Who this token speaks for.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.verified.subject
    }

    /// The client that the token was issued to; `None` only under the profile `untyped_jwt`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.0.verified.client_id.as_deref()
    }

    /// The `jti` claim.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.0.verified.token_id.as_deref()
    }

    /// The scopes, in the order of the token.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.verified.scopes.iter()
    }

    /// Whether the token holds exactly this scope. What the scope is *for*, the audience and the organization say: a
    /// handler should rely on its policy rather than ask again.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.verified.scopes.contains(scope)
    }

    /// The `aud` claim, one value or more.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.0.verified.audience.iter().map(|audience| &**audience)
    }

    /// The organization claim (`organization_id`) as the token states it. Which organization *the request* is about,
    /// and that the two are the same, is what [`Organization`](crate::Organization) says.
    #[must_use]
    pub fn organization_claim(&self) -> Option<&str> {
        self.0.verified.organization.as_deref()
    }

    /// The `exp` claim, without leeway. A connection that outlives its request (SSE, a WebSocket) should end here.
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

    /// The `iat` claim.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.0.verified.times.issued_at.map(NumericDate::to_system_time)
    }

    /// The `nbf` claim.
    #[must_use]
    pub fn not_before(&self) -> Option<SystemTime> {
        self.0.verified.times.not_before.map(NumericDate::to_system_time)
    }

    /// Parses the claims into a type of yours. Each call parses anew.
    ///
    /// # Errors
    ///
    /// When the claims do not fit `T`.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        serde_json::from_slice(&self.payload()).map_err(|error| ClaimsError(Arc::new(error)))
    }

    /// The indicators that the token's issuer entry may speak for; the first one is "this API".
    pub(crate) fn resources(&self) -> &[Arc<str>] {
        &self.0.verified.resources
    }

    pub(crate) fn claimed_organization(&self) -> Option<&Arc<str>> {
        self.0.verified.organization.as_ref()
    }

    pub(crate) fn audience_organization(&self) -> Option<&Arc<str>> {
        self.0.verified.audience_organization.as_ref()
    }

    pub(crate) fn times(&self) -> &Times {
        &self.0.verified.times
    }

    pub(crate) fn jws(&self) -> &Arc<[u8]> {
        &self.0.jws
    }

    /// The bytes that it takes in memory beside a fixed part, which is much the same for all.
    pub(crate) fn size(&self) -> usize {
        /// What a small piece of memory costs to keep.
        const PIECE: usize = 48;
        let Verified { subject, client_id, token_id, scopes, audience, organization, audience_organization, .. } =
            &self.0.verified;
        let texts = [
            Some(subject.id()),
            client_id.as_deref(),
            token_id.as_deref(),
            organization.as_deref(),
            audience_organization.as_deref(),
        ];
        let audience = audience.iter().map(|audience| audience.len() + PIECE);
        let texts = texts.into_iter().flatten().map(|text| text.len() + PIECE);
        self.0.jws.len() + scopes.size() + texts.chain(audience).sum::<usize>()
    }

    /// The claims set, as it was signed.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let payload = self.0.jws.split(|&byte| byte == b'.').nth(1).unwrap_or_default();
        // It was decoded before it was verified.
        URL_SAFE_NO_PAD.decode(payload).unwrap_or_default()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("issuer", &self.0.verified.issuer).finish_non_exhaustive()
    }
}

/// The claims of a verified token do not fit the type that was asked for.
#[derive(Clone)]
pub struct ClaimsError(Arc<serde_json::Error>);

impl fmt::Debug for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimsError({self})")
    }
}

impl fmt::Display for ClaimsError {
    // Category and place only: serde_json's own words may quote a claim.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the claims do not fit ({:?} error at column {})", self.0.classify(), self.0.column())
    }
}

impl std::error::Error for ClaimsError {}

/// Whom a token speaks for: an id that means something only together with the issuer entry it came from.
///
/// Equality and hash are over both, `Display` is the id.
#[derive(Clone, Debug)]
pub struct Subject {
    id: ScopedId,
    kind: SubjectKind,
}

/// A person, a program, or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubjectKind {
    /// A user, through some client.
    User,
    /// A client on its own behalf: `sub` is the client's id.
    Machine,
    /// The issuer does not say. Neither `user()` nor `machine()` holds.
    Unknown,
}

impl Subject {
    pub(crate) fn new(issuer_name: Arc<str>, id: Arc<str>, kind: SubjectKind) -> Self {
        Self { id: ScopedId { issuer_name, id }, kind }
    }

    /// The `sub` claim.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id.id
    }

    /// The name of the issuer entry.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.id.issuer_name
    }

    pub(crate) fn issuer(&self) -> &Arc<str> {
        &self.id.issuer_name
    }

    /// User, machine, or unknown.
    #[must_use]
    pub fn kind(&self) -> SubjectKind {
        self.kind
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Subject {}

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// A JSON number of seconds since the epoch, perhaps with a fraction (RFC 7519 section 2).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct NumericDate(f64);

impl NumericDate {
    /// `None` for what is no point in time.
    pub(crate) fn new(seconds: f64) -> Option<Self> {
        seconds.is_finite().then_some(Self(seconds))
    }

    pub(crate) const fn seconds(self) -> f64 {
        self.0
    }

    /// Clamped to what a `SystemTime` can hold on every platform: the years 1970 to about 9999.
    fn to_system_time(self) -> SystemTime {
        const YEAR_10000: f64 = 253_402_300_800.0;
        SystemTime::UNIX_EPOCH + Duration::from_secs_f64(self.0.clamp(0.0, YEAR_10000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(issuer: &str, id: &str, kind: SubjectKind) -> Subject {
        Subject::new(issuer.into(), id.into(), kind)
    }

    #[test]
    fn a_subject_is_a_pair() {
        let alice = subject("a", "1", SubjectKind::User);
        assert_eq!(alice, subject("a", "1", SubjectKind::Unknown));
        assert_ne!(alice, subject("b", "1", SubjectKind::User));
        assert_ne!(alice, subject("a", "2", SubjectKind::User));
        assert_eq!(alice.to_string(), "1");
    }

    #[test]
    fn absurd_times_are_clamped() {
        for seconds in [-1.0, 0.0, 1e300, f64::MAX, 1_800_000_000.5] {
            let _ = NumericDate::new(seconds).unwrap().to_system_time();
        }
        assert!(NumericDate::new(f64::INFINITY).is_none());
    }
}
