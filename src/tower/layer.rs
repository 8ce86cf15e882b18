use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use tower_layer::Layer;

use super::service::Require;
use super::verdict::{Verdict, WaitingVerdict};
#[cfg(feature = "axum")]
use crate::engine::Deciding;
use crate::engine::{Found, Known, State, Stop};
use crate::policy::Rules;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::time::Now;
use crate::token::AccessToken;

/// Requires a policy of every request. Made by [`ResourceServer::require`](crate::ResourceServer::require).
///
/// A request that passes reaches the inner service with an [`AccessToken`] and, where the policy has one, an
/// [`Organization`](crate::Organization) in its extensions, in place of whatever another layer had put there.
/// `Authorization` is marked as sensitive by then.
#[derive(Clone, Debug)]
pub struct RequireLayer(Arc<Requirement>);

#[derive(Debug)]
struct Requirement {
    state: Arc<State>,
    rules: Rules,
}

impl RequireLayer {
    pub(crate) fn new(state: Arc<State>, rules: Rules) -> Self {
        Self(Arc::new(Requirement { state, rules }))
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.0.rules
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.0.state
    }

    /// What becomes of a request. Inlined, since else the request is copied once more.
    #[inline]
    pub(crate) fn verdict<B>(&self, request: Request<B>) -> Verdict<B> {
        let (mut parts, body) = request.into_parts();
        let mut known = Known::default();
        match self.decide(&mut parts, &mut known) {
            Ok(()) => Verdict::Passes(Request::from_parts(parts, body)),
            Err(Stop::Reject(rejection)) => Verdict::Refused(self.respond(rejection, &parts)),
            Err(Stop::Need(wait)) => Verdict::Waits(WaitingVerdict::new(self.clone(), parts, body, wait, known)),
        }
    }

    /// Decides, as far as that is possible with what is known.
    pub(super) fn decide(&self, request: &mut Parts, known: &mut Known) -> Result<(), Stop> {
        Found::clear(&mut request.extensions);
        let now = self.state().clock.now();
        let found = match self.state().authenticate(&mut request.headers, known, &now)? {
            Some(token) => self.authorize(token, request, known, &now)?,
            None if self.rules().is_optional() => Found::default(),
            None => {
                let missing = Rejection::new(RejectionKind::MissingToken, Remediation::Authenticate, "no Bearer token");
                return Err(missing.into());
            }
        };
        found.put_into(&mut request.extensions);
        Ok(())
    }

    /// Judges the policy.
    fn authorize(&self, token: AccessToken, request: &mut Parts, known: &mut Known, now: &Now) -> Result<Found, Stop> {
        let state = self.state();
        let granted = match state.judge(self.rules(), &token, request, known, now) {
            Ok(granted) => granted,
            Err(unsettled) => {
                // Not verified again after a wait.
                known.token = Some(token);
                return Err(unsettled.into());
            }
        };
        if let Some(decider) = state.decider.as_ref().filter(|_| granted.without_decision) {
            decider.count_allowed_on_error();
        }
        Ok(Found {
            token: Some(token),
            organization: granted.organization,
            drift: granted.drift,
            #[cfg(feature = "axum")]
            deciding: Deciding::new(state),
        })
    }

    pub(super) fn respond(&self, rejection: Rejection, request: &Parts) -> Box<Response<Bytes>> {
        Box::new(self.state().answers.respond(rejection, request, self.rules().text()))
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Require { inner, layer: self.clone() }
    }
}
