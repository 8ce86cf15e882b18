//! A double of Permit.io: its decision point and its facts API on one port.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::facts::{FACTS, Facts};
use super::http::{Double, PdpCall, Reply};
use crate::lock::lock;
use crate::testing::Fault;

/// Permit.io on loopback, answering as the real one was seen to: 422 for a user that is a string and for attributes that
/// are `null`, 401 without a key and 403 with a wrong one, 502 while its engine is down, 201 and 200 for a user, 409 for
/// what is there already, 404 for what is not.
///
/// The decision point knows a fact as soon as the facts API does; the real one needs a moment. The server ends when the
/// value is dropped.
///
/// ```
/// use orgate::decision::{DecisionPoint as _, Resource};
/// use orgate::permit::{Permit, PermitUser};
/// use orgate::testing::{TestDecisionRequest, TestPermit};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let double = TestPermit::start().await;
/// double.permission("editor", "read", "document");
///
/// let permit = Permit::builder(double.url(), TestPermit::KEY).api(double.url()).build()?;
/// permit.sync_tenant("org_a", "Acme").await?;
/// permit.sync_user(&PermitUser::new("alice")).await?;
/// permit.assign_role("alice", "editor", "org_a").await?;
///
/// let of = |organization| TestDecisionRequest::user("alice").organization(organization);
/// let document = || Resource::new("document", "1");
/// assert!(permit.decide(&of("org_a").wants("read", document())).await?.is_allowed());
/// assert!(!permit.decide(&of("org_b").wants("read", document())).await?.is_allowed());
/// # Ok(())
/// # }
/// ```
pub struct TestPermit {
    double: Double,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    facts: Facts,
    engine_is_down: bool,
}

impl TestPermit {
    /// The only key that is accepted.
    pub const KEY: &'static str = "permit_key_of_the_double";

    /// Starts a double without users and with the tenant `default`.
    ///
    /// # Panics
    ///
    /// Panics if loopback has no free port, or outside of a tokio runtime.
    pub async fn start() -> Self {
        let mut state = State::default();
        state.facts.tenants.insert("default".to_owned());
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let double = Double::start(|_| Arc::new(move |call| answer(&mut lock(&shared), call))).await;
        Self { double, state }
    }

    /// Returns the URL of both the decision point and the API.
    #[must_use]
    pub fn url(&self) -> &str {
        self.double.url()
    }

    /// Lets holders of this role perform this action on resources of this type. Creates the role.
    pub fn permission(&self, role: &str, action: &str, resource_type: &str) {
        let facts = &mut lock(&self.state).facts;
        facts.roles.insert(role.to_owned());
        facts.permissions.insert([role, action, resource_type].map(str::to_owned));
    }

    /// Creates a role.
    pub fn role(&self, role: &str) {
        lock(&self.state).facts.roles.insert(role.to_owned());
    }

    /// Creates a tenant.
    pub fn tenant(&self, key: &str) {
        lock(&self.state).facts.tenants.insert(key.to_owned());
    }

    /// Sets whether the policy engine behind the decision point is down.
    pub fn engine_is_down(&self, is_down: bool) {
        lock(&self.state).engine_is_down = is_down;
    }

    /// Returns the keys of the known users.
    #[must_use]
    pub fn users(&self) -> Vec<String> {
        lock(&self.state).facts.users.keys().cloned().collect()
    }

    /// Returns what it knows about a user, if that fits.
    #[must_use]
    pub fn user<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let user = lock(&self.state).facts.users.get(key).cloned()?;
        serde_json::from_value(Value::Object(user)).ok()
    }

    /// Returns the roles of a user, each with its tenant.
    #[must_use]
    pub fn roles(&self, user: &str) -> Vec<(String, String)> {
        let facts = &lock(&self.state).facts;
        let of_user = facts.assignments.iter().filter(|[who, _, _]| who == user);
        of_user.map(|[_, role, tenant]| (role.clone(), tenant.clone())).collect()
    }

    /// Returns the known tenants.
    #[must_use]
    pub fn tenants(&self) -> Vec<String> {
        lock(&self.state).facts.tenants.iter().cloned().collect()
    }

    /// Applies the fault to the next call whose path starts with this one; a second call applies to the one after it.
    ///
    /// # Panics
    ///
    /// Panics if the fault cannot be sent: an interim status, or an invalid header value.
    pub fn fail_next(&self, path: &str, fault: Fault) {
        self.double.fail_next(path, fault);
    }

    /// Applies the fault to every call whose path starts with this one, until [`recover`](Self::recover).
    ///
    /// # Panics
    ///
    /// Panics if the fault cannot be sent: an interim status, or an invalid header value.
    pub fn fail_always(&self, path: &str, fault: Fault) {
        self.double.fail_always(path, fault);
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

    /// Returns the number of calls, by method and path.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.double.calls() {
            *counts.entry(format!("{} {}", call.method(), call.path())).or_default() += 1;
        }
        counts
    }
}

impl fmt::Debug for TestPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestPermit").field("url", &self.url()).finish_non_exhaustive()
    }
}

fn answer(state: &mut State, call: &PdpCall) -> Reply {
    match call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
        None => return Reply::new(401, json!({ "detail": "Missing Authorization header" })),
        Some(TestPermit::KEY) => {}
        Some(_) => return Reply::new(403, json!({ "detail": "Invalid PDP token" })),
    }
    let unprocessable = || Reply::new(422, json!({ "detail": [{ "loc": ["body"], "msg": "invalid" }] }));
    match (call.method(), call.path()) {
        ("POST", "/allowed" | "/allowed/bulk") if state.engine_is_down => {
            Reply::new(502, json!({ "detail": "OPA is unreachable" }))
        }
        ("POST", "/allowed") => {
            let Some(check) = call.json::<Value>() else { return unprocessable() };
            state.facts.allowed(&check).map_or_else(|refusal| refusal, |allow| Reply::new(200, verdict(allow)))
        }
        ("POST", "/allowed/bulk") => {
            let Some(checks) = call.json::<Vec<Value>>() else { return unprocessable() };
            let verdicts = checks.iter().map(|check| state.facts.allowed(check).map(verdict));
            match verdicts.collect::<Result<Value, Reply>>() {
                Ok(verdicts) => Reply::new(200, json!({ "allow": verdicts })),
                Err(refusal) => refusal,
            }
        }
        ("GET", "/v2/api-key/scope") => Reply::new(
            200,
            json!({ "organization_id": "o", "project_id": "project-1", "environment_id": "environment-1" }),
        ),
        (_, path) => match path.strip_prefix(FACTS).or_else(|| path.strip_prefix("/facts")) {
            Some(below) => state.facts.change(call, below),
            None => Reply::new(404, json!({ "detail": "Not Found" })),
        },
    }
}

fn verdict(allow: bool) -> Value {
    json!({ "allow": allow, "result": allow, "query": {}, "debug": null })
}
