//! A decision point that speaks AuthZEN.

use std::fmt;
use std::sync::{Arc, Mutex};

use http::HeaderValue;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::http::{Double, PdpCall, Reply};
use crate::lock::lock;
use crate::testing::Fault;

const METADATA: &str = "/.well-known/authzen-configuration";
const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";

/// A decision point on loopback: metadata, evaluation and evaluations of AuthZEN 1.0, with a rule and faults set by the
/// test.
///
/// It denies everything until [`judge`](Self::judge) gives it a rule. The server ends when the value is dropped.
///
/// ```
/// use orgate::authzen::AuthZen;
/// use orgate::decision::{DecisionPoint as _, Resource};
/// use orgate::testing::{TestDecisionRequest, TestPdp};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pdp = TestPdp::start().await;
/// pdp.judge(|question| question.tenant() == Some("org_a") && question.action() == "read");
///
/// let client = AuthZen::builder(pdp.url()).build()?;
/// let request = TestDecisionRequest::user("alice").organization("org_a").wants("read", Resource::new("document", "1"));
/// assert!(client.decide(&request).await?.is_allowed());
/// # Ok(())
/// # }
/// ```
pub struct TestPdp {
    double: Double,
    state: Arc<Mutex<State>>,
}

type Rule = Arc<dyn Fn(&PdpQuestion) -> bool + Send + Sync>;

struct State {
    rule: Rule,
    metadata: Option<String>,
    required: Option<(String, String)>,
    echo: bool,
}

/// One request to the decision point, single or part of several.
#[derive(Clone, Debug, PartialEq)]
pub struct PdpQuestion(Map<String, Value>);

impl PdpQuestion {
    /// Returns the id of the subject.
    #[must_use]
    pub fn subject_id(&self) -> &str {
        self.text("/subject/id").unwrap_or_default()
    }

    /// Returns the name of the action.
    #[must_use]
    pub fn action(&self) -> &str {
        self.text("/action/name").unwrap_or_default()
    }

    /// Returns the type of the resource.
    #[must_use]
    pub fn resource_type(&self) -> &str {
        self.text("/resource/type").unwrap_or_default()
    }

    /// Returns the id of the resource.
    #[must_use]
    pub fn resource_id(&self) -> &str {
        self.text("/resource/id").unwrap_or_default()
    }

    /// Returns the organization.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.text("/resource/properties/tenant")
    }

    /// Returns the value at this JSON pointer (RFC 6901), if it fits.
    #[must_use]
    pub fn at<T: DeserializeOwned>(&self, pointer: &str) -> Option<T> {
        self.value(pointer).and_then(|value| serde_json::from_value(value.clone()).ok())
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.value(pointer)?.as_str()
    }

    fn value(&self, pointer: &str) -> Option<&Value> {
        let (first, rest) = pointer.trim_start_matches('/').split_once('/').unwrap_or((pointer.get(1..)?, ""));
        let value = self.0.get(first)?;
        if rest.is_empty() { Some(value) } else { value.pointer(&format!("/{rest}")) }
    }
}

impl TestPdp {
    /// Starts a point that denies everything.
    ///
    /// # Panics
    ///
    /// Panics if loopback has no free port, or outside of a tokio runtime.
    pub async fn start() -> Self {
        let state =
            Arc::new(Mutex::new(State { rule: Arc::new(|_| false), metadata: None, required: None, echo: true }));
        let shared = state.clone();
        let double = Double::start(|url| {
            let url = url.to_owned();
            Arc::new(move |call| answer(&url, &lock(&shared), call))
        })
        .await;
        Self { double, state }
    }

    /// Returns its identifier.
    #[must_use]
    pub fn url(&self) -> &str {
        self.double.url()
    }

    /// Sets what is allowed from now on.
    pub fn judge(&self, rule: impl Fn(&PdpQuestion) -> bool + Send + Sync + 'static) {
        lock(&self.state).rule = Arc::new(rule);
    }

    /// Replaces its metadata from now on.
    pub fn state_metadata(&self, document: impl Into<String>) {
        lock(&self.state).metadata = Some(document.into());
    }

    /// Requires this header with exactly this value; other requests receive 401.
    pub fn require_header(&self, name: impl Into<String>, value: impl Into<String>) {
        lock(&self.state).required = Some((name.into(), value.into()));
    }

    /// Stops echoing `X-Request-ID`, as some points do not.
    pub fn forget_request_ids(&self) {
        lock(&self.state).echo = false;
    }

    /// Applies the fault to the next evaluation; a second call applies to the one after it.
    ///
    /// # Panics
    ///
    /// Panics if the fault cannot be sent: an interim status, or an invalid header value.
    pub fn fail_next(&self, fault: Fault) {
        self.double.fail_next("/access/", fault);
    }

    /// Applies the fault to every evaluation, until [`recover`](Self::recover).
    ///
    /// # Panics
    ///
    /// Panics if the fault cannot be sent: an interim status, or an invalid header value.
    pub fn fail_always(&self, fault: Fault) {
        self.double.fail_always("/access/", fault);
    }

    /// Applies the fault to the next request for the metadata.
    ///
    /// # Panics
    ///
    /// Panics if the fault cannot be sent: an interim status, or an invalid header value.
    pub fn fail_metadata(&self, fault: Fault) {
        self.double.fail_next(METADATA, fault);
    }

    /// Ends all faults. Calls that are already affected are not [released](Self::release).
    pub fn recover(&self) {
        self.double.recover();
    }

    /// Responds to the calls that [`Fault::Hold`] holds now.
    pub fn release(&self) {
        self.double.release();
    }

    /// Breaks every connection, and resets each new one.
    pub fn take_down(&self) {
        self.double.take_down();
    }

    /// Serves again after [`take_down`](Self::take_down).
    pub fn bring_up(&self) {
        self.double.bring_up();
    }

    /// Returns the calls so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<PdpCall> {
        self.double.calls()
    }

    /// Returns the calls since the last time, and forgets them.
    #[allow(clippy::must_use_candidate, reason = "to forget them is a use, too")]
    pub fn take_calls(&self) -> Vec<PdpCall> {
        self.double.take_calls()
    }

    /// Returns the highest number of calls that were in progress at the same time.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.double.most_in_flight()
    }
}

impl fmt::Debug for TestPdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestPdp").field("url", &self.url()).finish_non_exhaustive()
    }
}

fn answer(url: &str, state: &State, call: &PdpCall) -> Reply {
    if (call.method(), call.path()) == ("GET", METADATA) {
        let stated = state.metadata.as_ref().and_then(|text| serde_json::from_str(text).ok());
        return Reply::new(200, stated.unwrap_or_else(|| metadata(url)));
    }
    if let Some((name, value)) = &state.required
        && call.header(name) != Some(value)
    {
        return Reply::new(401, json!({ "error": "who is there?" }));
    }
    let mut reply = match (call.method(), call.path()) {
        ("POST", EVALUATION | EVALUATIONS) if call.header("content-type") != Some("application/json") => {
            Reply::new(400, json!({ "error": "not application/json" }))
        }
        ("POST", EVALUATION) => call.json().map_or_else(bad_request, |question| evaluation(state, question)),
        ("POST", EVALUATIONS) => call.json().map_or_else(bad_request, |question| evaluations(state, &question)),
        _ => Reply::new(404, json!({ "error": "nothing here" })),
    };
    if let (true, Some(Ok(id))) = (state.echo, call.header("x-request-id").map(HeaderValue::try_from)) {
        reply.headers.push((http::HeaderName::from_static("x-request-id"), id));
    }
    reply
}

fn metadata(url: &str) -> Value {
    json!({
        "policy_decision_point": url,
        "access_evaluation_endpoint": format!("{url}{EVALUATION}"),
        "access_evaluations_endpoint": format!("{url}{EVALUATIONS}"),
        "search_subject_endpoint": format!("{url}/access/v1/search/subject"),
    })
}

fn bad_request() -> Reply {
    Reply::new(400, json!({ "error": "not a question" }))
}

fn evaluation(state: &State, question: Map<String, Value>) -> Reply {
    let question = PdpQuestion(question);
    let named = ["/subject/type", "/subject/id", "/action/name", "/resource/type", "/resource/id"];
    if named.iter().any(|pointer| question.text(pointer).is_none_or(str::is_empty)) {
        return bad_request();
    }
    Reply::new(200, json!({ "decision": (state.rule)(&question) }))
}

/// Section 7.1: what an item does not say, the defaults say.
fn evaluations(state: &State, questions: &Map<String, Value>) -> Reply {
    let items = questions.get("evaluations").and_then(Value::as_array).filter(|items| !items.is_empty());
    let Some(items) = items else { return bad_request() };
    let semantic = questions.get("options").and_then(|options| options.get("evaluations_semantic")?.as_str());
    let mut decisions = Vec::new();
    for item in items {
        let mut question: Map<String, Value> = questions.clone();
        question.extend(item.as_object().cloned().unwrap_or_default());
        let reply = evaluation(state, question);
        let Some(allowed) = reply.body.get("decision").and_then(Value::as_bool) else { return reply };
        decisions.push(reply.body);
        if matches!((semantic, allowed), (Some("deny_on_first_deny"), false) | (Some("permit_on_first_permit"), true)) {
            break;
        }
    }
    Reply::new(200, json!({ "evaluations": decisions }))
}
