//! Asking, once or for several at a time.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde_json::Value;

use super::discovery::Source;
use super::{AuthZenBuilder, Evaluation, answer};
use crate::decision::{
    Decision, DecisionError, DecisionFuture, DecisionPoint, DecisionRequest, Obligation, one_for_each, too_many,
};
use crate::flight::{Lane, NO_RUNTIME, has_runtime};
use crate::http::remote::Remote;

/// The largest question that is sent.
const MAX_QUESTION_BYTES: usize = 256 * 1024;
/// The longest that several requests may take, in however many calls.
const LONGEST_BATCH: Duration = Duration::from_secs(5);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A client for a decision point that speaks AuthZEN 1.0. Cheap to clone.
///
/// ```
/// use orgate::authzen::AuthZen;
/// use orgate::decision::Decider;
///
/// let pdp = AuthZen::builder("https://pdp.example.com").bearer_token("s3cret").build()?;
/// let decider = Decider::builder(pdp).build()?;
/// # _ = decider;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct AuthZen(pub(super) Arc<Inner>);

pub(super) type Map = Box<dyn Fn(&DecisionRequest, &mut Evaluation) + Send + Sync>;
pub(super) type OnObligation = Box<dyn Fn(&DecisionRequest, &Obligation) -> bool + Send + Sync>;

pub(super) struct Inner {
    pub(super) identifier: String,
    pub(super) source: Source,
    pub(super) remote: Arc<Remote>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) max_batch: usize,
    pub(super) map: Option<Map>,
    pub(super) on_obligation: Option<OnObligation>,
}

/// Specifies how many of several requests are decided (section 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Semantic {
    /// All of them.
    #[default]
    ExecuteAll,
    /// Those up to the first denial. The rest counts as denied.
    DenyOnFirstDeny,
    /// Those up to the first allow. The rest counts as denied.
    PermitOnFirstPermit,
}

impl Semantic {
    /// Returns the word of the specification.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExecuteAll => "execute_all",
            Self::DenyOnFirstDeny => "deny_on_first_deny",
            Self::PermitOnFirstPermit => "permit_on_first_permit",
        }
    }

    /// Without what comes after the end, in case that a point went on.
    fn cut(self, mut decisions: Vec<Decision>) -> Vec<Decision> {
        if let Some(end) = decisions.iter().position(|decision| self.ends_with(decision.is_allowed())) {
            decisions.truncate(end + 1);
        }
        decisions
    }

    /// Whether nothing is decided after this one.
    const fn ends_with(self, allowed: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !allowed,
            Self::PermitOnFirstPermit => allowed,
        }
    }
}

impl AuthZen {
    /// Returns the settings of a client. `identifier` is the point's base URL, exactly as its metadata states it.
    pub fn builder(identifier: impl Into<String>) -> AuthZenBuilder {
        AuthZenBuilder::new(identifier.into())
    }

    /// Fetches the metadata now, to find faults at startup.
    ///
    /// # Errors
    ///
    /// Returns an error if the point cannot be reached, or its metadata is not used.
    pub async fn ready(&self) -> Result<(), DecisionError> {
        self.0.source.endpoints(&self.0.remote).await.map(|_| ())
    }

    /// Decides several requests, as many as `semantic` says, and returns the decisions in the order of the requests. A
    /// request that the point or the semantic left out is denied. All calls together take five seconds at most.
    ///
    /// A point without an endpoint for several is asked for one after another. Requests of one subject about one resource
    /// that differ in what is told of either go in calls of their own: some points mix them up.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no decision for one of those that had to be decided.
    pub async fn evaluate_all(
        &self,
        requests: &[DecisionRequest],
        semantic: Semantic,
    ) -> Result<Vec<Decision>, DecisionError> {
        let most = self.0.max_batch;
        if requests.len() > most {
            return Err(too_many(requests.len(), most));
        }
        let Some(first) = requests.first() else { return Ok(Vec::new()) };
        if !has_runtime() {
            return Err(DecisionError::wrong(NO_RUNTIME));
        }
        let late = |_| DecisionError::unavailable(format_args!("no answer to all of it within {LONGEST_BATCH:?}"));
        let decisions = tokio::time::timeout(LONGEST_BATCH, self.decisions(&first.lane(), requests, semantic))
            .await
            .map_err(late)??;
        one_for_each(semantic.cut(decisions), requests.len())
    }

    async fn decisions(
        &self,
        lane: &Lane,
        requests: &[DecisionRequest],
        semantic: Semantic,
    ) -> Result<Vec<Decision>, DecisionError> {
        let endpoints = self.0.source.endpoints(&self.0.remote).await?;
        let Some(url) = &endpoints.evaluations else { return self.one_by_one(requests, semantic).await };
        let questions = requests.iter().map(|request| self.question(request)).collect::<Result<Vec<_>, _>>()?;
        let calls = Evaluation::calls(&questions);
        // The order that a semantic speaks of is lost between calls.
        let semantic = if calls.len() == 1 { semantic } else { Semantic::ExecuteAll };
        let mut all: Vec<Option<Decision>> = vec![None; requests.len()];
        for call in calls {
            let asked: Vec<&Evaluation> = call.iter().filter_map(|at| questions.get(*at)).collect();
            let question = Evaluation::all_to_json(&asked, semantic.as_str());
            let decisions = answer::several(self.ask(lane, url, &question).await?.body())?;
            for (at, decision) in call.iter().zip(one_for_each(decisions, asked.len())?) {
                if let (Some(request), Some(place)) = (requests.get(*at), all.get_mut(*at)) {
                    *place = Some(self.fulfil(request, decision));
                }
            }
        }
        Ok(all.into_iter().map(|decision| decision.unwrap_or(Decision::deny().once())).collect())
    }

    async fn evaluation(&self, request: &DecisionRequest) -> Result<Decision, DecisionError> {
        let question = self.question(request)?.to_json();
        let endpoints = self.0.source.endpoints(&self.0.remote).await?;
        let answer = self.ask(&request.lane(), &endpoints.evaluation, &question).await?;
        Ok(self.fulfil(request, answer::single(answer.body())?))
    }

    async fn one_by_one(
        &self,
        requests: &[DecisionRequest],
        semantic: Semantic,
    ) -> Result<Vec<Decision>, DecisionError> {
        let mut decisions = Vec::with_capacity(requests.len());
        for request in requests {
            let decision = self.evaluation(request).await?;
            let is_last = semantic.ends_with(decision.is_allowed());
            decisions.push(decision);
            if is_last {
                break;
            }
        }
        Ok(decisions)
    }

    fn question(&self, request: &DecisionRequest) -> Result<Evaluation, DecisionError> {
        request.check()?;
        let mut evaluation = Evaluation::of(request);
        if let Some(map) = &self.0.map {
            map(request, &mut evaluation);
        }
        evaluation.check()?;
        Ok(evaluation)
    }

    async fn ask(&self, lane: &Lane, url: &Uri, question: &Value) -> Result<Response<Bytes>, DecisionError> {
        let body = question.to_string();
        if body.len() > MAX_QUESTION_BYTES {
            return Err(DecisionError::wrong(format_args!("a question of more than {MAX_QUESTION_BYTES} bytes")));
        }
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.extend(self.0.headers.iter().cloned());
        let id = random_id();
        if let Ok(id) = HeaderValue::try_from(&id) {
            headers.insert(REQUEST_ID, id);
        }
        let answer = self.0.remote.call(Some(lane), request).await.map_err(DecisionError::from);
        let answer = answer.and_then(|answer| match answer.status() {
            StatusCode::OK => Ok(answer),
            _ => Err(DecisionError::refused(&answer)),
        });
        answer.inspect_err(|error| {
            tracing::warn!(target: "orgate", pdp = self.0.identifier, request_id = id, %error, "no decision");
        })
    }

    fn fulfil(&self, request: &DecisionRequest, decision: Decision) -> Decision {
        match &self.0.on_obligation {
            Some(handle) => decision.fulfilled(|obligation| handle(request, obligation)),
            None => decision,
        }
    }
}

impl DecisionPoint for AuthZen {
    fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(self.evaluation(request))
    }

    fn decide_all<'a>(&'a self, requests: &'a [DecisionRequest]) -> DecisionFuture<'a, Vec<Decision>> {
        Box::pin(self.evaluate_all(requests, Semantic::ExecuteAll))
    }

    fn calls_waiting(&self) -> usize {
        self.0.remote.waiting()
    }
}

impl fmt::Debug for AuthZen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthZen").field("identifier", &self.0.identifier).finish_non_exhaustive()
    }
}

/// Names a request in two logs, and protects nothing.
fn random_id() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}
