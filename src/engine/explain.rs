//! Decides a request to show how it is decided.

use std::time::Duration;

use http::request::Parts;

use super::agreement::Agreement;
use super::decide::decide;
use super::evidence::Evidence;
use super::grant::Grant;
use super::outcome::Outcome;
use super::requirement::Requirement;
use super::resolve::settle_within;
use crate::explain::{Asked, Explanation, Response, ShadowExplanation};
use crate::organization::matched_path;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::time::Now;

impl Requirement {
    /// Decides a request as [`authorize`](Self::authorize) does, and returns every step with what was expected and what was
    /// found, and the response as it would be sent. For people who hold the token: nothing calls it by itself.
    ///
    /// It waits for what must be fetched, as a request does, and runs the checks of the policy. Nothing else comes of it: it
    /// grants nothing, uses no proof of possession, takes no step in the conversation with a client about its permissions, and
    /// is neither recorded nor counted. The token is verified anew, known or not. Whether replicas have seen a proof is not
    /// asked.
    ///
    /// An explanation holds neither the token nor its signature nor the id of its subject. It says more than a response may
    /// say, so it must not be sent to callers.
    pub async fn explain(&self, request: &mut Parts) -> Explanation {
        let outer = request.extensions.get::<Grant>().cloned();
        let is_shadow_only = self.rules().is_shadow_only();
        let limit = if is_shadow_only { self.state().shadow_wait } else { self.state().max_wait };
        let mut evidence = Evidence::explained();
        let decide = |evidence: &mut Evidence, now: &Now| decide(self, request, evidence, now);
        let outcome = settle_within(self.state(), limit, &mut evidence, None, decide).await;
        request.extensions.remove::<Grant>();
        let beside = self.settle_shadow(&outcome, None, request, &mut evidence).await;
        if let Some(outer) = outer {
            request.extensions.insert(outer);
        }

        let recorded = std::mem::take(&mut evidence.steps).finish(outcome.as_ref().map(drop)).unwrap_or_default();
        let asked = evidence.waits().iter().map(|wait| Asked::new(wait.what().as_str(), microseconds(wait.took())));
        let rejection = outcome.as_ref().err();
        let enforced = rejection.filter(|_| !is_shadow_only);
        let not_enforced = |rejection: Option<&Rejection>, clause: Option<&str>| ShadowExplanation {
            policy: self.shadow_policy().to_owned(),
            agreement: Agreement::between(enforced, rejection).as_str(),
            kind: rejection.map(|rejection| rejection.kind().as_str()),
            detail: rejection.map(|rejection| rejection.detail().to_owned()),
            clause: clause.map(str::to_owned),
        };
        let clause = match &outcome {
            Ok(grant) => grant.clause(),
            Err(rejection) => rejection.clause().map(|clause| &**clause),
        };
        let shadow = match &beside {
            Some(verdict) => Some(not_enforced(verdict.rejection.as_ref(), verdict.clause.as_deref())),
            None => is_shadow_only.then(|| not_enforced(rejection, clause)),
        };
        Explanation {
            method: request.method.to_string(),
            route: matched_path(request).map(str::to_owned),
            policy: self.policy().to_owned(),
            outcome: Outcome::of(enforced).as_str(),
            kind: enforced.map(Rejection::kind).map(RejectionKind::as_str),
            remediation: enforced.map(Rejection::remediation).map(Remediation::as_str),
            detail: enforced.map(|rejection| rejection.detail().to_owned()),
            clause: clause.map(str::to_owned),
            steps: recorded.steps,
            clauses: recorded.clauses,
            asked: asked.collect(),
            shadow,
            response: enforced.map(|rejection| shown(self.response(rejection.clone(), request))),
        }
    }
}

fn shown(response: http::Response<bytes::Bytes>) -> Response {
    let (head, body) = response.into_parts();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())));
    Response { status: head.status.as_u16(), headers: headers.collect(), body: text(&body) }
}

fn microseconds(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
