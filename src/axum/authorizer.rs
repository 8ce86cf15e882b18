//! Decisions that a handler asks for itself, because it knows the object only after it looked.

use std::fmt;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use tracing::Instrument;

use super::extract::misconfigured;
use crate::AccessToken;
use crate::decision::{Decider, Decision, DecisionError, DecisionRequest, Resource, in_time, undecided};
use crate::engine::Grant;
use crate::organization::{matched_route, outline};
use crate::rejection::Rejection;
use crate::trace::carry;

/// Asks the server's decision point about an object that the handler has looked up.
///
/// Subject, organization, method and matched route go along by themselves. An error is a [`Rejection`]: 403 for a denial, 401
/// where the user must sign in as the decision point says ([`Decision::with_step_up`]), 503 where there is no decision.
/// Returned from the handler, it is the response, in the same form as the rejections of the route's policy. What the policy
/// says about remembering decisions or about errors is about its own questions, not about these.
///
/// ```
/// use orgate::axum::Authorizer;
/// use orgate::Rejection;
/// use orgate::decision::Resource;
///
/// async fn rename(decide: Authorizer) -> Result<&'static str, Rejection> {
///     let document = "d-17"; // looked up
///     decide.check("rename", Resource::new("document", document)).await?;
///     Ok("renamed")
/// }
/// # let _: axum::routing::MethodRouter = axum::routing::post(rename);
/// ```
#[derive(Clone)]
pub struct Authorizer {
    grant: Grant,
    decider: Decider,
    token: AccessToken,
    /// What the request said, for questions and for the form of a rejection; of its extensions, only the route.
    request: Arc<Parts>,
    route: Option<Arc<str>>,
}

impl Authorizer {
    /// Checks whether the subject may perform the action on the resource.
    ///
    /// # Errors
    ///
    /// Returns a [`Rejection`] if the subject may not (403), or only after another sign-in (401), or if there is no decision
    /// (503).
    pub async fn check(&self, action: &str, resource: Resource) -> Result<(), Rejection> {
        self.check_request(&self.request(action, resource)).await
    }

    /// Checks a request with more properties: one made by [`request`](Self::request) and extended.
    ///
    /// # Errors
    ///
    /// Same as [`check`](Self::check).
    pub async fn check_request(&self, request: &DecisionRequest) -> Result<(), Rejection> {
        let decision = self.asked(self.decider.decide(request)).await?;
        if decision.is_allowed() { Ok(()) } else { Err(self.refuse(self.grant.denied_by(&decision))) }
    }

    /// Returns, for each resource in order, whether the subject may perform the action on it. For lists that show only
    /// permitted items.
    ///
    /// # Errors
    ///
    /// Returns a [`Rejection`] if there is no decision (503), or if there are more than
    /// [`MAX_BATCH`](crate::decision::MAX_BATCH) resources.
    pub async fn check_all(
        &self,
        action: &str,
        resources: impl IntoIterator<Item = Resource>,
    ) -> Result<Vec<bool>, Rejection> {
        let requests: Vec<_> = resources.into_iter().map(|resource| self.request(action, resource)).collect();
        let decisions = self.asked(self.decider.decide_all(&requests)).await?;
        Ok(decisions.iter().map(Decision::is_allowed).collect())
    }

    /// Returns the request that [`check`](Self::check) would send, so that properties can be added.
    #[must_use]
    pub fn request(&self, action: &str, resource: Resource) -> DecisionRequest {
        let mut request = DecisionRequest::new(&self.token, action, resource).method(&self.request.method);
        if let Some(organization) = self.grant.organization() {
            request = request.organization(organization);
        }
        match &self.route {
            Some(route) => request.route(&**route),
            None => request,
        }
    }

    /// Waits for the decision point, in the trace of the request.
    async fn asked<T>(&self, deciding: impl Future<Output = Result<T, DecisionError>>) -> Result<T, Rejection> {
        let span = tracing::info_span!(target: "orgate", "orgate.decision_point");
        let hook = &self.grant.requirement().state().trace;
        let context = span.in_scope(|| hook.context()).or_else(|| hook.incoming(&self.request.headers));
        let asked = carry(context, in_time(deciding)).instrument(span).await;
        asked.map_err(|error| self.refuse(undecided(&error)))
    }

    fn refuse(&self, rejection: Rejection) -> Rejection {
        self.grant.requirement().refuse(rejection, &self.request)
    }
}

/// The question, or 500 where no policy has verified a token or the server has no decision point.
impl<S: Send + Sync> FromRequestParts<S> for Authorizer {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let known = parts
            .extensions
            .get::<Grant>()
            .and_then(|grant| Some((grant, grant.token()?, grant.requirement().state().decider.as_ref()?)));
        let Some((grant, token, decider)) = known else {
            let detail = "the extractor Authorizer needs a route with a policy and a server with a decision point: see Builder::decision_point";
            return Err(misconfigured(detail, parts));
        };
        Ok(Self {
            grant: grant.clone(),
            decider: decider.clone(),
            token: token.clone(),
            request: Arc::new(outline(parts)),
            route: matched_route(parts),
        })
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer")
            .field("method", &self.request.method)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}
