use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::AUTHORIZATION;
use http::request::Parts;
use tower_layer::Layer;

#[cfg(feature = "axum")]
use super::deciding::Deciding;
use super::known::{Known, Undecided};
use super::service::Require;
use super::state::State;
use crate::organization::Organization;
use crate::policy::Rules;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::time::Now;
use crate::token::AccessToken;

/// Requires a policy of every request. Made by [`ResourceServer::require`](crate::ResourceServer::require).
///
/// A request that passes reaches the inner service with an [`AccessToken`] and, where the policy has one, an
/// [`Organization`] in its extensions, in place of whatever another layer had put there. `Authorization` is marked as
/// sensitive by then.
#[derive(Clone, Debug)]
pub struct RequireLayer {
    pub(super) state: Arc<State>,
    pub(super) rules: Arc<Rules>,
}

impl RequireLayer {
    pub(crate) fn new(state: Arc<State>, rules: Rules) -> Self {
        Self { state, rules: Arc::new(rules) }
    }

    pub(crate) fn around<S>(self, inner: S) -> Require<S> {
        Require { inner, layer: self }
    }

    #[cfg(feature = "axum")]
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Decides, as far as that is possible with what is known.
    pub(super) fn decide(&self, request: &mut Parts, known: &mut Known) -> Result<(), Undecided> {
        let now = self.state.clock.now();
        let token = self.state.authenticate(&request.headers, known, now)?;
        self.authorize(token, request, known, now)
    }

    /// Judges the policy, and puts what was found into the request's extensions.
    fn authorize(
        &self,
        token: Option<AccessToken>,
        parts: &mut Parts,
        known: &mut Known,
        now: Now,
    ) -> Result<(), Undecided> {
        // What another layer found further out was for its own policy.
        parts.extensions.remove::<AccessToken>();
        parts.extensions.remove::<Organization>();
        #[cfg(feature = "axum")]
        parts.extensions.remove::<Deciding>();
        #[cfg(feature = "live")]
        parts.extensions.remove::<crate::policy::PermissionDrift>();
        let Some(token) = token else {
            if self.rules.is_optional() {
                return Ok(());
            }
            let missing = Rejection::new(RejectionKind::MissingToken, Remediation::Authenticate, "no Bearer token");
            return Err(missing.into());
        };
        let granted = match self.state.judge(&self.rules, &token, parts, known, now) {
            Ok(granted) => granted,
            Err(unsettled) => {
                // Not verified again after a wait.
                known.token = Some(token);
                return Err(unsettled.into());
            }
        };
        // From here on a log of the headers does not show it.
        if let Some(authorization) = parts.headers.get_mut(AUTHORIZATION) {
            authorization.set_sensitive(true);
        }
        parts.extensions.insert(token);
        if let Some(decider) = self.state.decider.as_ref().filter(|_| granted.without_decision) {
            decider.count_allowed_on_error();
        }
        #[cfg(feature = "axum")]
        if let Some(deciding) = Deciding::new(&self.state) {
            parts.extensions.insert(deciding);
        }
        if let Some(organization) = granted.organization {
            parts.extensions.insert(organization);
        }
        #[cfg(feature = "live")]
        if let Some(drift) = granted.drift {
            parts.extensions.insert(drift);
        }
        Ok(())
    }

    pub(super) fn respond(&self, rejection: Rejection, request: &Parts) -> Response<Bytes> {
        self.state.answers.respond(rejection, request, self.rules.text())
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.clone().around(inner)
    }
}
