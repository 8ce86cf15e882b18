//! What a request that passed was granted.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use http::request::Parts;

use super::requirement::Requirement;
use super::sender::{NextNonce, Sender};
use super::state::State;
use crate::decision::{Decision, denied_by};
use crate::organization::Organization;
use crate::permissions::PermissionDrift;
use crate::policy::{Granted, SignInView};
use crate::rejection::Rejection;
use crate::token::AccessToken;

/// The grant of a request that passed: the verified token, and the organization that the request is about.
///
/// It is the one extension that a request carries after it passed, and what [`Requirement::authorize`] returns. axum
/// handlers use the extractors instead.
///
/// ```
/// use orgate::engine::Grant;
///
/// fn caller<B>(request: &http::Request<B>) -> Option<String> {
///     let grant = request.extensions().get::<Grant>()?;
///     Some(grant.token()?.subject().id().to_owned())
/// }
/// ```
#[derive(Clone)]
pub struct Grant {
    requirement: Requirement,
    token: Option<AccessToken>,
    organization: Option<Organization>,
    /// Which clause of the policy passed.
    clause: Option<usize>,
    sender: Sender,
    rare: Option<Box<Rare>>,
}

/// What few grants have.
#[derive(Clone)]
struct Rare {
    drift: Option<Box<PermissionDrift>>,
    /// The text of an opaque token that is in no `Authorization` of the request.
    opaque: Option<Arc<str>>,
}

impl Rare {
    fn of(drift: Option<Box<PermissionDrift>>, opaque: Option<Arc<str>>) -> Option<Box<Self>> {
        (drift.is_some() || opaque.is_some()).then(|| Box::new(Self { drift, opaque }))
    }
}

impl Grant {
    /// `sent_apart` is the text of the token, if it is in no `Authorization` of the request.
    pub(super) fn new(
        requirement: &Requirement,
        token: AccessToken,
        granted: Granted,
        sender: Sender,
        sent_apart: Option<Arc<str>>,
    ) -> Self {
        let opaque = sent_apart.filter(|_| token.jws().is_none());
        Self {
            requirement: requirement.clone(),
            token: Some(token),
            organization: granted.organization,
            clause: Some(granted.clause),
            sender,
            rare: Rare::of(granted.drift, opaque),
        }
    }

    /// Under `optional(..)`, to a request without a token.
    pub(super) fn anonymous(requirement: &Requirement) -> Self {
        Self {
            requirement: requirement.clone(),
            token: None,
            organization: None,
            clause: None,
            sender: Sender::Unproven,
            rare: None,
        }
    }

    /// Returns the verified token; `None` where an optional policy let a request without one pass.
    #[must_use]
    pub fn token(&self) -> Option<&AccessToken> {
        self.token.as_ref()
    }

    /// Returns the organization that the request is about; `None` where the clause that passed has none.
    #[must_use]
    pub fn organization(&self) -> Option<&Organization> {
        self.organization.as_ref()
    }

    /// Returns the clause of the policy that passed, as it is printed; `None` where an optional policy let a request without a
    /// token pass.
    #[must_use]
    pub fn clause(&self) -> Option<&str> {
        self.shared_clause().map(|clause| &**clause)
    }

    /// Which clause of the policy passed.
    pub(crate) fn clause_index(&self) -> Option<usize> {
        self.clause
    }

    pub(crate) fn opaque(&self) -> Option<&str> {
        self.rare.as_ref()?.opaque.as_deref()
    }

    /// The same, with nothing that is for its response.
    pub(crate) fn without_response(&self) -> Self {
        let sender = self.sender.without_nonce();
        let opaque = self.rare.as_ref().and_then(|rare| rare.opaque.clone());
        Self { rare: Rare::of(None, opaque), sender, ..self.clone() }
    }

    pub(super) fn shared_clause(&self) -> Option<&Arc<str>> {
        self.requirement.rules().clause_text(self.clause?)
    }

    /// Returns how the token differs from what its subject holds now; `None` on routes without live permissions.
    #[must_use]
    pub fn permission_drift(&self) -> Option<&PermissionDrift> {
        self.rare.as_ref()?.drift.as_deref()
    }

    /// Returns the nonce that the response should hold as `DPoP-Nonce`: the client's next proof needs a newer one. The Tower
    /// layer and the guard add it themselves.
    #[must_use]
    pub fn next_nonce(&self) -> Option<&HeaderValue> {
        self.sender.nonce()
    }

    /// What the sender has proved to this server for this token.
    pub(super) fn sender_of(&self, state: &Arc<State>, token: &AccessToken) -> Option<&Sender> {
        let is_same_token = || self.token.as_ref().is_some_and(|own| own.is_same(token));
        (Arc::ptr_eq(self.requirement.state(), state) && is_same_token()).then_some(&self.sender)
    }

    pub(super) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The rejection of what the decision point denies the handler: that of a policy that asks it.
    #[allow(dead_code, reason = "for axum's extractor, which has a feature of its own")]
    pub(crate) fn denied_by(&self, decision: &Decision) -> Rejection {
        let state = self.requirement.state();
        let now = state.clock.now();
        let of_clause = self.token.as_ref().zip(self.clause).and_then(|(token, clause)| {
            let lead = || state.lead(token, &now);
            let sign_in = SignInView { conversations: &state.live.conversations, now, lead: &lead, is_dry: false };
            self.requirement.rules().denied_by(decision, clause, token, &sign_in)
        });
        of_clause.unwrap_or_else(|| denied_by(decision))
    }

    /// Returns the requirement that the request met.
    #[must_use]
    pub fn requirement(&self) -> &Requirement {
        &self.requirement
    }
}

/// The nonce that the response to a granted request should hold.
pub(crate) fn next_nonce(request: &Parts) -> NextNonce {
    request.extensions.get::<Grant>().map(|grant| grant.sender.next_nonce()).unwrap_or_default()
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("policy", &self.requirement.policy()).finish_non_exhaustive()
    }
}
