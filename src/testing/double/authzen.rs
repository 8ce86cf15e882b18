//! A decision point that speaks AuthZEN.

use std::fmt;
use std::sync::{Arc, Mutex};

use http::HeaderValue;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::http::{Double, PdpCall, PdpFault, Reply};
use crate::lock::lock;

const METADATA: &str = "/.well-known/authzen-configuration";
const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";

/// A real decision point on loopback: metadata, evaluation and evaluations as AuthZEN 1.0 has them, a rule of the test's
/// own, and faults.
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

/// One question, whichever way it was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct PdpQuestion(Map<String, Value>);

impl PdpQuestion {
    /// The id of the subject.
    #[must_use]
    pub fn subject_id(&self) -> &str {
        self.text("/subject/id").unwrap_or_default()
    }

    /// The name of the action.
    #[must_use]
    pub fn action(&self) -> &str {
        self.text("/action/name").unwrap_or_default()
    }

    /// The type of the resource.
    #[must_use]
    pub fn resource_type(&self) -> &str {
        self.text("/resource/type").unwrap_or_default()
    }

    /// The id of the resource.
    #[must_use]
    pub fn resource_id(&self) -> &str {
        self.text("/resource/id").unwrap_or_default()
    }

    /// The organization.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.text("/resource/properties/tenant")
    }

    /// What stands at this JSON pointer (RFC 6901), if it fits.
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
    /// A point that denies everything.
    ///
    /// # Panics
    ///
    /// If loopback has no port left, or outside a tokio runtime.
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

    /// Its identifier.
    #[must_use]
    pub fn url(&self) -> &str {
        self.double.url()
    }

    /// What is allowed from now on.
    pub fn judge(&self, rule: impl Fn(&PdpQuestion) -> bool + Send + Sync + 'static) {
        lock(&self.state).rule = Arc::new(rule);
    }

    /// Its metadata from now on, instead of the right one.
    pub fn state_metadata(&self, document: impl Into<String>) {
        lock(&self.state).metadata = Some(document.into());
    }

    /// Answers 401 to whoever does not send exactly this header.
    pub fn require_header(&self, name: impl Into<String>, value: impl Into<String>) {
        lock(&self.state).required = Some((name.into(), value.into()));
    }

    /// Does not echo `X-Request-ID` any more, as some points do not.
    pub fn forget_request_ids(&self) {
        lock(&self.state).echo = false;
    }

    /// The next evaluation meets the fault; called again, the one after it.
    pub fn fail_next(&self, fault: PdpFault) {
        self.double.fail_next("/access/", fault);
    }

    /// Every evaluation meets the fault, until [`recover`](Self::recover).
    pub fn fail_always(&self, fault: PdpFault) {
        self.double.fail_always("/access/", fault);
    }

    /// The next request for the metadata meets the fault.
    pub fn fail_metadata(&self, fault: PdpFault) {
        self.double.fail_next(METADATA, fault);
    }

    /// No more faults.
    pub fn recover(&self) {
        self.double.recover();
    }

    /// Breaks every connection, and resets each new one.
    pub fn take_down(&self) {
        self.double.take_down();
    }

    /// Serves again after [`take_down`](Self::take_down).
    pub fn bring_up(&self) {
        self.double.bring_up();
    }

    /// The calls so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<PdpCall> {
        self.double.calls()
    }

    /// The calls since the last time.
    #[allow(clippy::must_use_candidate, reason = "to forget them is a use, too")]
    pub fn take_calls(&self) -> Vec<PdpCall> {
        self.double.take_calls()
    }

    /// How many calls were being answered at the same time, at most.
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
