//! A policy that one server requires.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use super::agreement::{Agreement, ShadowRecord, Verdict};
use super::decide::{decide, let_pass};
use super::evidence::Evidence;
use super::grant::Grant;
use super::need::{Need, Stop};
use super::observe::Decided;
use super::sender::NextNonce;
use super::state::State;
use super::tally::Tally;
use crate::policy::{CompiledPolicy, Description};
use crate::rejection::Rejection;
use crate::respond::Wanted;
use crate::time::Now;
use crate::token::bearer::tries_proof;
use crate::token::browser::SubprotocolTokens;

/// A policy that one server requires. It decides requests from any transport. Made by
/// [`ResourceServer::requirement`](crate::ResourceServer::requirement).
///
/// A cheap clone. The Tower layer and the axum guard hold one for each route; a gateway, a message consumer or a WebSocket
/// calls [`authorize`](Self::authorize) itself.
#[derive(Clone)]
pub struct Requirement(pub(super) Arc<Inner>, pub(super) Option<SubprotocolTokens>);

pub(super) struct Inner {
    state: Arc<State>,
    rules: CompiledPolicy,
    /// As it is printed: records keep it beyond the server.
    policy: Arc<str>,
    wanted: Wanted,
    tally: Option<Box<dyn Tally>>,
    /// Judged, and not enforced.
    shadow: Option<Arc<str>>,
    /// What is called, where several things have one route.
    operation: Option<Arc<str>>,
}

/// The first decision about a request.
pub(crate) enum Begun {
    /// The grant is in the request's extensions.
    Granted(NextNonce),
    Rejected(Rejection),
    /// Something must be waited for.
    Waits(Box<Pending>),
}

/// A request that could not be decided at once.
pub(crate) struct Pending {
    pub(super) waiting: Waiting,
    pub(super) evidence: Evidence,
    pub(super) started: Now,
}

/// What a request waits for.
pub(super) enum Waiting {
    Decision(Need),
    /// It is decided, and what is judged beside it lacks something.
    Shadow(Box<(Result<Grant, Rejection>, Need)>),
}

impl Begun {
    pub(super) fn waits(waiting: Waiting, evidence: Evidence, started: Now) -> Self {
        Self::Waits(Box::new(Pending { waiting, evidence, started }))
    }
}

impl Requirement {
    pub(crate) fn new(state: Arc<State>, rules: CompiledPolicy, wanted: Wanted, operation: Option<Arc<str>>) -> Self {
        let policy: Arc<str> = rules.text().into();
        let beside = rules.shadow().map(|shadow| shadow.text().into());
        let shadow = beside.or_else(|| rules.is_shadow_only().then(|| policy.clone()));
        let tally = state.observers.tallies.as_ref().map(|tallies| tallies.of_requirement(operation.as_deref()));
        Self(Arc::new(Inner { state, rules, policy, wanted, tally, shadow, operation }), None)
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.0.state
    }

    pub(crate) fn rules(&self) -> &CompiledPolicy {
        &self.0.rules
    }

    /// Returns the policy as it is printed.
    #[must_use]
    pub fn policy(&self) -> &str {
        &self.0.policy
    }

    pub(super) fn tally(&self) -> Option<&dyn Tally> {
        self.0.tally.as_deref()
    }

    pub(super) fn shared_policy(&self) -> &Arc<str> {
        &self.0.policy
    }

    pub(crate) fn wanted(&self) -> &Wanted {
        &self.0.wanted
    }

    pub(super) fn shared_operation(&self) -> Option<&Arc<str>> {
        self.0.operation.as_ref()
    }

    /// Returns the resource indicators that a client may request a token for, in the order of the policy's clauses. Where no
    /// clause is about a resource, it is the server's first.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.0.wanted.indicators.iter().map(|indicator| &**indicator)
    }

    /// Returns the policy as data, with the clauses as they are judged beside the issuers of this server.
    #[must_use]
    pub fn describe(&self) -> Description {
        self.0.rules.describe()
    }

    /// Decides a request, and waits for what must be fetched: five seconds in all by default
    /// ([`Builder::max_wait`](crate::server::Builder::max_wait)).
    ///
    /// The token is read from `Authorization`, which is marked as sensitive. A request that passes has the [`Grant`] in its
    /// extensions too, in place of any other; where nothing is enforced
    /// ([`dangerous_shadow_only`](crate::Policy::dangerous_shadow_only)) and the policy is not met, it has none, and the grant
    /// that is returned is empty. For `path(..)` in the policy, insert
    /// [`PathParams`](crate::organization::PathParams) into the extensions first.
    ///
    /// # Errors
    ///
    /// Returns a [`Rejection`] if the policy is not met (401, 403, 404), cannot be decided now (503), or is misconfigured
    /// (500). [`response`](Self::response) turns it into the response that a client should receive.
    pub async fn authorize(&self, request: &mut Parts) -> Result<Grant, Rejection> {
        self.authorize_by(request, Evidence::default()).await
    }

    /// Decides a request about which something is known already.
    pub(super) async fn authorize_by(&self, request: &mut Parts, evidence: Evidence) -> Result<Grant, Rejection> {
        match self.begin_by(request, evidence) {
            Begun::Granted(_) => {}
            Begun::Rejected(rejection) => return Err(rejection),
            Begun::Waits(pending) => self.settle(request, *pending).await?,
        }
        match request.extensions.get::<Grant>() {
            Some(grant) => Ok(grant.clone()),
            None if self.0.rules.is_shadow_only() => Ok(let_pass(self)),
            None => Err(Rejection::misconfigured("a request that passed without a grant")),
        }
    }

    /// Returns the response to a rejected request: status, challenge, problem body, or gRPC's form for a gRPC call.
    #[must_use]
    pub fn response(&self, rejection: Rejection, request: &Parts) -> Response<Bytes> {
        self.complete(rejection, request).into_response()
    }

    /// Decides, as far as that is possible at once.
    pub(crate) fn begin(&self, request: &mut Parts) -> Begun {
        self.begin_by(request, Evidence::default())
    }

    fn begin_by(&self, request: &mut Parts, mut evidence: Evidence) -> Begun {
        let started = self.0.state.clock.now();
        if self.0.shadow.is_some() {
            return self.begin_with_shadow(request, evidence, started);
        }
        match decide(self, request, &mut evidence, &started) {
            Ok(grant) => Begun::Granted(self.granted(grant, None, request, &evidence, &started)),
            Err(Stop::Reject(rejection)) => {
                Begun::Rejected(self.rejected(rejection, None, request, &evidence, &started))
            }
            Err(Stop::Need(need)) => Begun::waits(Waiting::Decision(need), evidence, started),
        }
    }

    /// A rejection found by what came after a grant: logged, and in the form that the rest of the API uses.
    pub(crate) fn refuse(&self, rejection: Rejection, request: &Parts) -> Rejection {
        self.rejected(rejection, None, request, &Evidence::default(), &self.0.state.clock.now())
    }

    /// The policy that is judged and not enforced, as it is printed.
    pub(super) fn shadow_policy(&self) -> &str {
        self.0.shadow.as_deref().unwrap_or_default()
    }

    /// What was decided, told to everybody who wants to know.
    pub(super) fn finish(
        &self,
        outcome: Result<Grant, Rejection>,
        verdict: Option<&Verdict>,
        request: &mut Parts,
        evidence: &Evidence,
        started: &Now,
    ) -> Begun {
        let shadow = verdict.and_then(|verdict| self.beside(outcome.as_ref().err(), verdict));
        match outcome {
            Ok(grant) => Begun::Granted(self.granted(grant, shadow, request, evidence, started)),
            Err(rejection) => Begun::Rejected(self.rejected(rejection, shadow, request, evidence, started)),
        }
    }

    /// What is judged and not enforced, beside what was decided. It is counted.
    pub(super) fn beside<'a>(
        &'a self,
        rejection: Option<&Rejection>,
        verdict: &'a Verdict,
    ) -> Option<ShadowRecord<'a>> {
        let agreement = Agreement::between(rejection, verdict.rejection.as_ref());
        self.0.state.agreements.count(agreement);
        self.0.shadow.as_ref().map(|policy| ShadowRecord { policy, verdict, agreement })
    }

    fn granted(
        &self,
        grant: Grant,
        shadow: Option<ShadowRecord<'_>>,
        request: &mut Parts,
        evidence: &Evidence,
        started: &Now,
    ) -> NextNonce {
        let nonce = grant.sender().next_nonce();
        let decided = Decided { grant: Some(&grant), rejection: None, shadow };
        self.0.state.observers.tell(self, decided, request, evidence, started);
        request.extensions.insert(grant);
        nonce
    }

    /// The rejection, complete: what follows only has to send it.
    pub(super) fn rejected(
        &self,
        rejection: Rejection,
        shadow: Option<ShadowRecord<'_>>,
        request: &Parts,
        evidence: &Evidence,
        started: &Now,
    ) -> Rejection {
        let decided = Decided { grant: None, rejection: Some(&rejection), shadow };
        self.0.state.observers.tell(self, decided, request, evidence, started);
        self.complete(rejection, request)
    }

    fn complete(&self, rejection: Rejection, request: &Parts) -> Rejection {
        let rejection = rejection.tried_proof(tries_proof(&request.headers));
        self.0.state.complete(rejection, &self.0.wanted, request)
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requirement").field("policy", &self.policy()).finish_non_exhaustive()
    }
}
