//! Judges what is not enforced: a policy beside another one, or one that only shows what it would do.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;

use super::agreement::Verdict;
use super::decide::{decide, judge_policy};
use super::evidence::{Evidence, Reached};
use super::grant::{Grant, next_nonce};
use super::need::{Need, Stop};
use super::recheck::recheck;
use super::requirement::{Begun, Requirement, Waiting};
use super::resolve::{RETRY_AFTER, settle_within};
use super::state;
use crate::policy::CompiledPolicy;
use crate::rejection::Rejection;
use crate::time::Now;
use crate::token::bearer;

const PANICKED: &str = "the application's code panicked";

impl Requirement {
    /// Decides, as far as that is possible at once, and what is judged beside it.
    #[cold]
    pub(super) fn begin_with_shadow(&self, request: &mut Parts, mut evidence: Evidence, started: Now) -> Begun {
        if self.rules().is_shadow_only() {
            let decided = caught(|| decide(self, request, &mut evidence, &started));
            return match decided.unwrap_or_else(|| Err(Rejection::misconfigured(PANICKED).into())) {
                Err(Stop::Need(need)) => Begun::waits(Waiting::Decision(need), evidence, started),
                Err(Stop::Reject(rejection)) => self.let_pass(Err(rejection), request, &evidence, &started),
                Ok(grant) => self.let_pass(Ok(grant), request, &evidence, &started),
            };
        }
        let outcome = match decide(self, request, &mut evidence, &started) {
            Ok(grant) => Ok(grant),
            Err(Stop::Reject(rejection)) => Err(rejection),
            Err(Stop::Need(need)) => return Begun::waits(Waiting::Decision(need), evidence, started),
        };
        match self.judge_shadow(&outcome, request, &mut evidence, &started) {
            Ok(verdict) => self.finish(outcome, verdict.as_ref(), request, &evidence, &started),
            Err(need) => Begun::waits(Waiting::Shadow(Box::new((outcome, need))), evidence, started),
        }
    }

    /// Decides without enforcing anything, and waits no longer than such a policy may.
    pub(super) async fn settle_shadow_only(
        &self,
        need: Option<Need>,
        request: &mut Parts,
        evidence: &mut Evidence,
    ) -> Result<Grant, Rejection> {
        let limit = self.shadow_limit()?;
        let decide = |evidence: &mut Evidence, now: &Now| decide(self, request, evidence, now);
        let settling = settle_within(self.state(), limit, evidence, need, decide);
        caught_while_waiting(settling).await.unwrap_or_else(|| Err(Rejection::misconfigured(PANICKED)))
    }

    /// What the policy beside the enforced one says, and what it waits for. `None` if there is no such policy.
    pub(super) async fn settle_shadow(
        &self,
        outcome: &Result<Grant, Rejection>,
        need: Option<Need>,
        request: &mut Parts,
        evidence: &mut Evidence,
    ) -> Option<Verdict> {
        self.rules().shadow()?;
        let need = match need {
            Some(need) => need,
            None => match self.judge_shadow(outcome, request, evidence, &self.state().clock.now()) {
                Ok(verdict) => return verdict,
                Err(need) => need,
            },
        };
        let judge =
            |evidence: &mut Evidence, now: &Now| self.judge_shadow(outcome, request, evidence, now).map_err(Stop::Need);
        let limit = match self.shadow_limit() {
            Ok(limit) => limit,
            Err(rejection) => return Some(rejection.into()),
        };
        let settled = caught_while_waiting(settle_within(self.state(), limit, evidence, Some(need), judge)).await;
        match settled {
            Some(Ok(verdict)) => verdict,
            Some(Err(rejection)) => Some(rejection.into()),
            None => Some(Rejection::misconfigured(PANICKED).into()),
        }
    }

    /// What was decided before the wait: a grant that no longer stands is decided anew.
    pub(super) async fn after_shadow(
        &self,
        outcome: Result<Grant, Rejection>,
        request: &mut Parts,
        evidence: &mut Evidence,
    ) -> Result<Grant, Rejection> {
        let grant = outcome?;
        if self.rules().shadow().is_none() || recheck(self, &grant, &self.state().clock.now()).is_ok() {
            return Ok(grant);
        }
        evidence.renew(grant.token());
        request.extensions.insert(grant);
        self.settle_enforced(None, request, evidence).await
    }

    /// Lets a request pass whatever the policy says, and tells observers.
    fn let_pass(
        &self,
        outcome: Result<Grant, Rejection>,
        request: &mut Parts,
        evidence: &Evidence,
        started: &Now,
    ) -> Begun {
        let verdict = self.unenforced(outcome, request);
        self.tell_passed(Some(&verdict), request, evidence, started);
        Begun::Granted(next_nonce(request))
    }

    /// What a policy says that is not enforced. Only a request that meets it is granted anything.
    pub(super) fn unenforced(&self, outcome: Result<Grant, Rejection>, request: &mut Parts) -> Verdict {
        request.extensions.remove::<Grant>();
        match outcome {
            Ok(grant) => {
                let clause = grant.shared_clause().cloned();
                request.extensions.insert(grant);
                Verdict::allow(clause)
            }
            Err(rejection) => {
                request.extensions.insert(state::Reached::past(self));
                rejection.into()
            }
        }
    }

    /// How long it may wait.
    fn shadow_limit(&self) -> Result<Duration, Rejection> {
        let has_timer = tokio::runtime::Handle::try_current().is_ok();
        Some(self.state().shadow_wait).filter(|limit| has_timer && !limit.is_zero()).ok_or_else(|| {
            Rejection::unavailable(RETRY_AFTER, "what is not enforced waits for nothing: see Builder::shadow_wait")
        })
    }

    /// By the evidence of the enforced policy, and whatever was obtained for this one. Nothing comes of it.
    fn judge_shadow(
        &self,
        outcome: &Result<Grant, Rejection>,
        request: &mut Parts,
        evidence: &mut Evidence,
        now: &Now,
    ) -> Result<Option<Verdict>, Need> {
        let Some(rules) = self.rules().shadow() else { return Ok(None) };
        let steps = std::mem::take(&mut evidence.steps);
        let judged = caught(|| judge_beside(self, rules, outcome, request, evidence, now));
        evidence.steps = steps;
        match judged {
            None => Ok(Some(Rejection::misconfigured(PANICKED).into())),
            Some(Ok(verdict)) => Ok(Some(verdict)),
            Some(Err(Stop::Reject(rejection))) => Ok(Some(rejection.into())),
            Some(Err(Stop::Need(need))) => Err(need),
        }
    }
}

fn judge_beside(
    requirement: &Requirement,
    rules: &CompiledPolicy,
    outcome: &Result<Grant, Rejection>,
    request: &mut Parts,
    evidence: &mut Evidence,
    now: &Now,
) -> Result<Verdict, Stop> {
    let token = match (outcome, &evidence.token) {
        (Ok(grant), _) => grant.token().cloned(),
        // What was wrong before any policy was asked is wrong for this one too.
        (Err(_), Some(token)) if evidence.reached != Reached::Token => Some(token.clone()),
        (Err(rejection), _) if bearer::is_missing(rejection) => None,
        (Err(rejection), _) => return Err(rejection.clone().into()),
    };
    let Some(token) = token else {
        return if rules.is_optional() {
            Ok(Verdict::allow(None))
        } else {
            Err(bearer::missing(&request.headers).into())
        };
    };
    let granted = judge_policy(requirement.state(), rules, &token, request, evidence, now, true)?;
    match outcome {
        // Both policies are met, and the proof is not accepted.
        Err(rejection) if evidence.reached == Reached::Proof => Err(rejection.clone().into()),
        _ => Ok(Verdict::allow(rules.clause_text(granted.clause).cloned())),
    }
}

/// `None` if it panicked.
fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

/// As [`caught`], for what waits.
async fn caught_while_waiting<T>(settling: impl Future<Output = T>) -> Option<T> {
    let mut settling = pin!(settling);
    poll_fn(|cx| match caught(|| settling.as_mut().poll(cx)) {
        Some(Poll::Ready(settled)) => Poll::Ready(Some(settled)),
        Some(Poll::Pending) => Poll::Pending,
        None => Poll::Ready(None),
    })
    .await
}
