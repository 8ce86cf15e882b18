//! Rejections: who is at fault, what the client receives, and what is logged.

mod answer;
mod kind;
mod organization;
mod step_up;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};

pub(crate) use answer::RejectionAnswer;
pub use kind::{ErrorCode, RejectionKind, Remediation};
pub(crate) use organization::WrongOrganization;
pub use step_up::StepUp;
pub(crate) use step_up::{AcrValues, LONGEST_AGE};

use crate::organization::Organization;
use crate::scope::Scope;

/// The reason why a request was rejected.
///
/// It is in the extensions of the response, for logs and tests, and is what an `rejection_body` hook is given. It is opaque,
/// and its `Debug` and `Display` forms hold no token. The precise reason is in the log (target `orgate`), not in the
/// answer; [`source`](Error::source) is the application's own error where a `check` failed with one.
#[derive(Clone)]
pub struct Rejection(Box<Reason>);

#[derive(Clone)]
struct Reason {
    kind: RejectionKind,
    /// What the client is told, where that is more than the kind says. Fixed text, as the kind's is.
    description: Option<&'static str>,
    remediation: Remediation,
    required: Vec<Scope>,
    missing: Vec<Scope>,
    step_up: Option<StepUp>,
    retry_after: Option<Duration>,
    detail: Cow<'static, str>,
    issuer: Option<Arc<str>>,
    kid: Option<Box<str>>,
    clause: Option<Arc<str>>,
    organization: Option<Organization>,
    source: Option<Arc<dyn Error + Send + Sync>>,
    challenges: Option<Arc<[HeaderValue]>>,
    nonce: Option<HeaderValue>,
    tried_proof: bool,
    answer: Option<RejectionAnswer>,
}

impl Rejection {
    pub(crate) fn new(kind: RejectionKind, remediation: Remediation, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Reason {
            kind,
            description: None,
            remediation,
            required: Vec::new(),
            missing: Vec::new(),
            step_up: None,
            retry_after: None,
            detail: detail.into(),
            issuer: None,
            kid: None,
            clause: None,
            organization: None,
            source: None,
            challenges: None,
            nonce: None,
            tried_proof: false,
            answer: None,
        }))
    }

    /// A token that is not valid here, for whatever reason but its age.
    pub(crate) fn invalid_token(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::InvalidToken, Remediation::Authenticate, detail)
    }

    pub(crate) fn misconfigured(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::Misconfigured, Remediation::None, detail)
    }

    pub(crate) fn unavailable(retry_after: Duration, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut rejection = Self::new(RejectionKind::Unavailable, Remediation::Retry, detail);
        rejection.0.retry_after = Some(retry_after);
        rejection
    }

    /// The request's organization and the token's are not the same, or one of them is missing.
    pub(crate) fn wrong_organization(
        cause: WrongOrganization,
        remediation: Remediation,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut rejection = Self::new(RejectionKind::WrongOrganization, remediation, detail);
        rejection.0.description = Some(cause.description());
        rejection
    }

    pub(crate) fn with_scopes(mut self, required: Vec<Scope>, missing: Vec<Scope>) -> Self {
        self.0.required = required;
        self.0.missing = missing;
        self
    }

    /// Says how the user must sign in.
    pub(crate) fn with_step_up(mut self, step_up: StepUp) -> Self {
        self.0.step_up = Some(step_up);
        self
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.0.retry_after = Some(retry_after);
        self
    }

    pub(crate) fn with_source(mut self, source: Arc<dyn Error + Send + Sync>) -> Self {
        self.0.source = Some(source);
        self
    }

    /// Whose token it seemed to be: the trusted entry, and the key that the token named. For the log only.
    pub(crate) fn about(mut self, issuer: &Arc<str>, kid: Option<&str>) -> Self {
        self.0.issuer = Some(issuer.clone());
        // As much of it as a log needs: it is the caller's to choose.
        self.0.kid = kid.map(|kid| kid.char_indices().nth(64).and_then(|(at, _)| kid.get(..at)).unwrap_or(kid).into());
        self
    }

    /// The clause of the policy that came nearest, as it is printed. For records only.
    pub(crate) fn by_clause(mut self, clause: &Arc<str>) -> Self {
        self.0.clause = Some(clause.clone());
        self
    }

    pub(crate) fn clause(&self) -> Option<&Arc<str>> {
        self.0.clause.as_ref()
    }

    /// The organization of the request, where not the request alone names it. For records only.
    pub(crate) fn in_organization(mut self, organization: Option<Organization>) -> Self {
        self.0.organization = organization;
        self
    }

    pub(crate) fn organization(&self) -> Option<&Organization> {
        self.0.organization.as_ref()
    }

    /// The same denial, for a route that hides its organizations: nothing is left that could tell two of them apart.
    pub(crate) fn into_hidden(self) -> Self {
        let mut hidden = Self::new(RejectionKind::Hidden, Remediation::None, self.0.detail);
        hidden.0.issuer = self.0.issuer;
        hidden.0.clause = self.0.clause;
        hidden
    }

    /// Adds the nonce that the next proof must hold.
    pub(crate) fn with_nonce(mut self, nonce: Option<HeaderValue>) -> Self {
        self.0.nonce = nonce;
        self
    }

    /// Says whether the request tried the scheme `DPoP`: its challenge names the error then.
    pub(crate) fn tried_proof(mut self, tried: bool) -> Self {
        self.0.tried_proof = tried;
        self
    }

    pub(crate) fn has_tried_proof(&self) -> bool {
        self.0.tried_proof
    }

    pub(crate) fn nonce(&self) -> Option<&HeaderValue> {
        self.0.nonce.as_ref()
    }

    /// Adds the finished challenges, one value for each scheme.
    pub(crate) fn with_challenges(mut self, challenges: Arc<[HeaderValue]>) -> Self {
        self.0.challenges = Some(challenges);
        self
    }

    pub(crate) fn answered_by(mut self, answer: RejectionAnswer) -> Self {
        self.0.answer = Some(answer);
        self
    }

    pub(crate) fn answer(&self) -> Option<&RejectionAnswer> {
        self.0.answer.as_ref()
    }

    /// The same, for no request: where one is rejected by it, its form is chosen anew.
    pub(crate) fn for_any_request(mut self) -> Self {
        self.0.answer = self.0.answer.map(RejectionAnswer::for_any_request);
        self
    }

    /// Whether a server added challenge and body, for the request that is rejected.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.answer.as_ref().is_some_and(RejectionAnswer::is_final)
    }

    /// Returns the kind of the rejection.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.0.kind
    }

    /// Returns the HTTP status of the response. (A gRPC client receives 200 and a `grpc-status`.)
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.kind.status()
    }

    /// Returns the values of the `WWW-Authenticate` fields, one for each scheme, in order. Empty where the response has no
    /// challenge, and before the response is built.
    #[must_use]
    pub fn challenges(&self) -> &[HeaderValue] {
        self.0.challenges.as_deref().unwrap_or_default()
    }

    /// Returns all challenges as one list (RFC 9110 section 5.3), for a protocol that carries a single value.
    #[must_use]
    pub fn challenge_list(&self) -> Option<HeaderValue> {
        match self.challenges() {
            [] => None,
            [only] => Some(only.clone()),
            several => {
                let parts: Vec<&[u8]> = several.iter().map(HeaderValue::as_bytes).collect();
                HeaderValue::from_bytes(&parts.join(&b", "[..])).ok()
            }
        }
    }

    /// Returns the sentence for the client: that of the [kind](RejectionKind::description), or a more precise one. It contains
    /// nothing that came with the request.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.0.description.unwrap_or(self.0.kind.description())
    }

    /// Whether kind and remediation say all that the client is told.
    pub(crate) fn is_plain(&self) -> bool {
        let Reason { description, required, missing, step_up, .. } = &*self.0;
        description.is_none() && required.is_empty() && missing.is_empty() && step_up.is_none()
    }

    /// Returns what the client can do about the rejection.
    #[must_use]
    pub fn remediation(&self) -> Remediation {
        self.0.remediation
    }

    /// Returns the scopes that the route requires, for a 403 and for a 401 that asks for another sign-in.
    #[must_use]
    pub fn required_scopes(&self) -> &[Scope] {
        &self.0.required
    }

    /// Returns the scopes that the token lacks, in the same cases as [`required_scopes`](Self::required_scopes).
    #[must_use]
    pub fn missing_scopes(&self) -> &[Scope] {
        &self.0.missing
    }

    /// Returns how the user must sign in for the request to pass; `None` for other rejections.
    #[must_use]
    pub fn step_up(&self) -> Option<&StepUp> {
        self.0.step_up.as_ref()
    }

    /// Returns when to retry, for a 503 and for a 401 that a new token would also receive.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Rejection");
        debug.field("kind", &self.0.kind).field("remediation", &self.0.remediation);
        // A hook may print this, and hidden denials must look alike to it.
        if self.0.kind != RejectionKind::Hidden {
            debug.field("detail", &self.0.detail);
        }
        debug.finish_non_exhaustive()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_challenges_are_a_list_in_order() {
        let rejection = Rejection::new(RejectionKind::MissingToken, Remediation::Authenticate, "x");
        assert_eq!((rejection.challenges().len(), rejection.challenge_list()), (0, None));
        let bearer = HeaderValue::from_static("Bearer realm=\"a\"");
        let one = rejection.clone().with_challenges([bearer.clone()].into());
        assert_eq!((one.challenges(), one.challenge_list()), (&[bearer.clone()][..], Some(bearer.clone())));
        let two = rejection.with_challenges([bearer, HeaderValue::from_static("DPoP algs=\"ES256\"")].into());
        assert_eq!(two.challenge_list().unwrap(), "Bearer realm=\"a\", DPoP algs=\"ES256\"");
    }

    #[test]
    fn hidden_keeps_nothing_to_tell_apart() {
        let scope = vec![Scope::new("a").unwrap()];
        let hidden = Rejection::new(RejectionKind::WrongOrganization, Remediation::OrganizationToken, "x")
            .with_scopes(scope.clone(), scope)
            .into_hidden();
        assert_eq!((hidden.status(), hidden.remediation()), (StatusCode::NOT_FOUND, Remediation::None));
        assert!(!format!("{hidden:?}").contains("detail"));
        assert!(hidden.required_scopes().is_empty() && hidden.missing_scopes().is_empty());
    }
}
