//! What a decision point is asked, after everything else in a branch holds.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use super::alternative::Alternative;
use super::refusal::denied;
use super::value::Policy;
use crate::decision::{CacheTimes, Decider, Decision, DecisionError, DecisionRequest, Resource};
use crate::engine::{Need, Stop};
use crate::error::ConfigError;
use crate::organization::{Organization, RequestSource};
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::token::AccessToken;

/// The decision point allows it: what is to be done, and with which resource, of a type and with an id that the request
/// names. To be combined with a model: `resource().decide(..)` says the same.
///
/// ```
/// use orgate::policy::{decide, organization, path};
///
/// let policy = organization(path("org")).scope("read:documents").and(decide("read", "document", path("id")));
/// assert_eq!(
///     policy.to_string(),
///     "organization from path {org} and scope read:documents and decide read document from path {id}"
/// );
/// ```
#[allow(clippy::needless_pass_by_value, reason = "as organization(source) takes it")]
pub fn decide(action: &str, resource_type: &str, id: RequestSource) -> Policy {
    if action.is_empty() || resource_type.is_empty() {
        let fault = format_args!("decide({action:?}, {resource_type:?}, ..): the action or the type has no name");
        return Policy::faulty(ConfigError::new(fault));
    }
    if id.is_token() && id.fault().is_none() {
        let fault = format_args!("decide({action:?}, {resource_type:?}, token()): the token names no resource");
        return Policy::faulty(ConfigError::new(fault));
    }
    let question =
        Question { action: action.into(), resource_type: resource_type.into(), id: id.clone(), allow_on_error: false };
    let policy = Policy::condition(Alternative { questions: vec![question], ..Alternative::default() });
    Policy { fault: id.fault().cloned(), ..policy }
}

impl Policy {
    /// Also the decision point allows it. Subject, organization, method and matched route go along by themselves.
    ///
    /// It is asked last, and can only narrow what the token allows. The server needs one:
    /// [`Builder::decision_point`](crate::server::Builder::decision_point).
    pub fn decide(self, action: &str, resource_type: &str, id: RequestSource) -> Self {
        self.and(decide(action, resource_type, id))
    }

    /// How long decisions for this route are remembered, instead of as the server's decider has it.
    /// [`CacheTimes::NONE`]: not at all.
    pub fn decision_cache(self, times: CacheTimes) -> Self {
        self.and(Self::condition(Alternative { remember: Some(times), ..Alternative::default() }))
    }

    /// While the decision point cannot be reached, this route is decided without it: whoever can keep it from answering has
    /// whatever it would deny. Counted and logged. Without this the answer is 503. A point that answers wrongly, or refuses
    /// this server's credential, is still 503.
    ///
    /// It is about what this policy asks so far, and not about what is added to it: by `and`, or by the guard.
    pub fn dangerous_allow_on_error(mut self) -> Self {
        let mut questions = self.alternatives.iter_mut().flat_map(|branch| &mut branch.questions).peekable();
        if questions.peek().is_none() {
            return self.and(Self::faulty(ConfigError::new("dangerous_allow_on_error(), and nothing is asked")));
        }
        questions.for_each(|question| question.allow_on_error = true);
        self
    }
}

/// One thing to ask.
#[derive(Clone, Debug)]
pub(super) struct Question {
    action: Arc<str>,
    resource_type: Arc<str>,
    pub(super) id: RequestSource,
    allow_on_error: bool,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decide {} {} from {}", self.action, self.resource_type, self.id)?;
        f.write_str(if self.allow_on_error { ", allowed if the point cannot be reached" } else { "" })
    }
}

/// What is at hand to decide by.
pub(crate) struct DecisionView<'a> {
    pub(crate) decider: Option<&'a Decider>,
    /// What has been waited for.
    pub(crate) decided: &'a [Decided],
    /// The route as it was matched, if that is known.
    pub(crate) route: Option<Arc<str>>,
}

/// A decision that is lacking.
pub(crate) struct WantedDecision {
    pub(crate) decider: Decider,
    pub(crate) request: DecisionRequest,
    pub(crate) times: Option<CacheTimes>,
}

/// What came of it.
pub(crate) struct Decided {
    pub(crate) request: DecisionRequest,
    pub(crate) outcome: Result<Decision, DecisionError>,
}

/// Asks what a branch asks, one question after another. Whether one of them was passed without a decision.
pub(super) fn judge(
    branch: &Alternative,
    token: &AccessToken,
    organization: Option<&Organization>,
    request: &mut Parts,
    view: &DecisionView<'_>,
) -> Result<bool, Stop> {
    let mut without = None;
    for question in &branch.questions {
        let Some(decider) = view.decider else {
            return Err(Rejection::misconfigured("decide(..), and the server has no decision point").into());
        };
        let asked = question.of(token, organization, request, view)?;
        let waited = view.decided.iter().find(|decided| decided.request.key() == asked.key());
        let decision = match waited.map(|decided| &decided.outcome) {
            Some(Ok(decision)) => decision.clone(),
            Some(Err(error)) if question.allow_on_error && error.is_unavailable() => {
                without = Some(error);
                continue;
            }
            Some(Err(error)) => return Err(undecided(error).into()),
            None => {
                if let Some(decision) = decider.known(&asked, branch.remember) {
                    decision
                } else {
                    let wanted = WantedDecision { decider: decider.clone(), request: asked, times: branch.remember };
                    return Err(Need::Decision(Box::new(wanted)).into());
                }
            }
        };
        if !decision.is_allowed() {
            return Err(denied_by(&decision).into());
        }
    }
    if let Some(error) = without {
        tracing::warn!(target: "orgate", %error, "allowed without a decision");
    }
    Ok(without.is_some())
}

/// The point said no: no scope would help, and why is nobody's business but the log's.
pub(crate) fn denied_by(decision: &Decision) -> Rejection {
    let reason = decision.reason().unwrap_or("no reason given");
    let unhandled = if decision.obligations().is_empty() { "" } else { ", or has obligations that nobody handled" };
    let detail = format!("the decision point denies it{unhandled}: {reason:?}");
    Rejection::new(RejectionKind::Denied, Remediation::None, detail)
}

/// There is no decision: that is no denial, and no permission.
pub(crate) fn undecided(error: &DecisionError) -> Rejection {
    let retry_after = error.retry_after().unwrap_or(std::time::Duration::from_secs(1));
    Rejection::unavailable(retry_after, format!("the decision point: {error}"))
}

impl Question {
    fn of(
        &self,
        token: &AccessToken,
        organization: Option<&Organization>,
        request: &mut Parts,
        view: &DecisionView<'_>,
    ) -> Result<DecisionRequest, Rejection> {
        let Some(id) = self.id.value(request)? else {
            let detail = format!("the request names no {} ({})", self.resource_type, self.id);
            return Err(denied(detail));
        };
        let resource = Resource::new(&*self.resource_type, id);
        let asked = DecisionRequest::new(token, &*self.action, resource).method(&request.method);
        let asked = match organization {
            Some(organization) => asked.organization(organization),
            None => asked,
        };
        Ok(match &view.route {
            Some(route) => asked.route(&**route),
            None => asked,
        })
    }
}
