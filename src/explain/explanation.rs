//! A decision, explained.

use serde::Serialize;

use super::step::{Step, Verdict};

/// A decision, step by step. Names of fields and variants are stable in the serialized form; new ones may come.
///
/// ```
/// # use orgate::policy::resource;
/// # use orgate::testing::TestIssuer;
/// # use orgate::ResourceServer;
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = TestIssuer::start().await;
/// let server = ResourceServer::builder(issuer.url(), "https://api.example.com").clock(issuer.clock()).build()?;
/// let read = server.requirement(resource().scope("read:orders"))?;
///
/// let token = issuer.resource_token("https://api.example.com").scope("read:products").mint();
/// let request = http::Request::get("/orders").header("authorization", format!("Bearer {token}")).body(())?;
/// let (mut parts, ()) = request.into_parts();
///
/// let explanation = read.explain(&mut parts).await;
/// assert_eq!(explanation.kind, Some("insufficient_scope"));
/// let failed = explanation.failed_step().unwrap();
/// assert_eq!((failed.name.as_str(), failed.expected.as_str()), ("scopes", "scope read:orders"));
/// println!("{explanation}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The request's method.
    pub method: String,
    /// The route's template, if the router tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The policy as it is printed.
    pub policy: String,
    /// `allow`, `deny` or `undecided`, as in a [record](crate::engine::Outcome).
    pub outcome: &'static str,
    /// The [kind](crate::rejection::RejectionKind) of the rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// What the client can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<&'static str>,
    /// The precise reason, as it is logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The clause of the policy that passed or came nearest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// The steps outside of the policy, up to the one that decided.
    pub steps: Vec<Step>,
    /// The clauses of the policy that were judged, in order.
    pub clauses: Vec<ClauseExplanation>,
    /// Who was asked, and for how long.
    pub asked: Vec<Asked>,
    /// What the policy says that is judged and not enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowExplanation>,
    /// The response as it would be sent; `None` where the request would reach the handler.
    pub response: Option<Response>,
}

/// One clause of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClauseExplanation {
    /// The clause as it is printed.
    pub text: String,
    /// Whether it is met.
    pub verdict: Verdict,
    /// Its conditions, up to the first one that does not hold.
    pub steps: Vec<Step>,
}

/// One call to another server, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Asked {
    /// What for, as in a [record](crate::engine::WaitedFor).
    pub what: &'static str,
    /// For how many microseconds.
    pub us: u64,
}

/// The result of a policy that is not enforced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShadowExplanation {
    /// The policy as it is printed.
    pub policy: String,
    /// How it agrees with what is enforced, as in a [record](crate::engine::Agreement).
    pub agreement: &'static str,
    /// The kind of its rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// The precise reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Its clause that passed or came nearest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
}

/// A response as it would be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Explanation {
    /// Returns the step that led to the rejection: the last one outside of the policy, or the one of the clause that came
    /// nearest. `None` if the request passes.
    #[must_use]
    pub fn failed_step(&self) -> Option<&Step> {
        self.kind?;
        let failed = |steps: &[Step]| steps.last().is_some_and(|step| step.verdict != Verdict::Passed);
        if failed(&self.steps) {
            return self.steps.last();
        }
        let nearest = self.clauses.iter().filter(|clause| failed(&clause.steps));
        let nearest = nearest.rev().max_by_key(|clause| Some(&clause.text) == self.clause.as_ref())?;
        nearest.steps.last()
    }
}

impl Asked {
    pub(crate) const fn new(what: &'static str, us: u64) -> Self {
        Self { what, us }
    }
}

impl ClauseExplanation {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), verdict: Verdict::Undecided, steps: Vec::new() }
    }
}
