//! A request that was granted after a wait, until it is passed on to its service.

use std::time::Duration;

use http::request::Parts;
use tracing::Instrument;

use super::agreement::Verdict;
use super::decide::decide;
use super::evidence::Evidence;
use super::grant::Grant;
use super::need::Need;
use super::observe::Decided;
use super::recheck::recheck;
use super::requirement::{Pending, Requirement, Waiting};
use super::resolve::until_settled;
use super::span;
use crate::future::BoxFuture;
use crate::rejection::Rejection;
use crate::time::Now;
use crate::trace::carry;

/// A request that is granted, and not yet passed on. Observers are told once it is: what was granted may end before.
///
/// Its grant is in the request's extensions.
pub(crate) struct Held {
    evidence: Evidence,
    started: Now,
    /// What a policy says that is judged and not enforced.
    verdict: Option<Verdict>,
    /// When it was granted, in monotonic time.
    since: Duration,
}

impl Requirement {
    /// Waits for what is missing, decides, and tells observers.
    pub(crate) async fn settle(&self, request: &mut Parts, pending: Pending) -> Result<(), Rejection> {
        let around = Around::of(self, request);
        let settling = async {
            let held = self.settle_pending(request, pending).await?;
            self.pass(request, held);
            Ok(())
        };
        around.run(Box::pin(settling)).await
    }

    /// Waits for what is missing, and decides. Observers are told of a rejection only.
    pub(crate) async fn hold(&self, request: &mut Parts, pending: Pending) -> Result<Held, Rejection> {
        Around::of(self, request).run(Box::pin(self.settle_pending(request, pending))).await
    }

    /// Decides anew what was granted and no longer stands: by the token that was found, and in the time that is left. Observers
    /// are told of a rejection only.
    pub(crate) async fn hold_anew(&self, request: &mut Parts, held: Held) -> Result<Held, Rejection> {
        Around::of(self, request).run(Box::pin(self.settle_anew(request, held))).await
    }

    /// Whether what the request was granted a while ago still stands. If not, it is to be decided anew.
    pub(crate) fn still_grants(&self, request: &Parts) -> bool {
        let now = self.state().clock.now();
        match request.extensions.get::<Grant>() {
            Some(grant) => recheck(self, grant, &now).is_ok(),
            // Nothing was granted, and nothing is enforced.
            None => self.rules().is_shadow_only(),
        }
    }

    /// Tells observers that the request passes.
    pub(crate) fn pass(&self, request: &Parts, held: Held) {
        let held = held.resumed(&self.state().clock.now());
        self.tell_passed(held.verdict.as_ref(), request, &held.evidence, &held.started);
    }

    pub(super) fn tell_passed(&self, verdict: Option<&Verdict>, request: &Parts, evidence: &Evidence, started: &Now) {
        let shadow = verdict.and_then(|verdict| self.beside(None, verdict));
        let decided = Decided { grant: request.extensions.get::<Grant>(), rejection: None, shadow };
        self.state().observers.tell(self, decided, request, evidence, started);
    }

    async fn settle_pending(&self, request: &mut Parts, pending: Pending) -> Result<Held, Rejection> {
        let Pending { waiting, mut evidence, started } = pending;
        match waiting {
            Waiting::Decision(need) if self.rules().is_shadow_only() => {
                Ok(self.hold_unenforced(Some(need), request, evidence, started).await)
            }
            Waiting::Decision(need) => {
                let outcome = self.settle_enforced(Some(need), request, &mut evidence).await;
                self.conclude(outcome, None, request, evidence, started).await
            }
            Waiting::Shadow(waiting) => self.conclude(waiting.0, Some(waiting.1), request, evidence, started).await,
        }
    }

    async fn settle_anew(&self, request: &mut Parts, held: Held) -> Result<Held, Rejection> {
        let Held { mut evidence, started, .. } = held.resumed(&self.state().clock.now());
        evidence.renew(request.extensions.get::<Grant>().and_then(Grant::token));
        if self.rules().is_shadow_only() {
            return Ok(self.hold_unenforced(None, request, evidence, started).await);
        }
        let outcome = self.settle_enforced(None, request, &mut evidence).await;
        self.conclude(outcome, None, request, evidence, started).await
    }

    /// A grant that is in the extensions counts as an outer layer's: a proof passes once, and its sender has given it.
    pub(super) async fn settle_enforced(
        &self,
        need: Option<Need>,
        request: &mut Parts,
        evidence: &mut Evidence,
    ) -> Result<Grant, Rejection> {
        let decide = |evidence: &mut Evidence, now: &Now| decide(self, request, evidence, now);
        let outcome = until_settled(self.state(), evidence, need, decide).await;
        // It is still there if the wait itself failed.
        request.extensions.remove::<Grant>();
        outcome
    }

    /// Judges what is beside the decision, and looks at the decision again after that.
    async fn conclude(
        &self,
        outcome: Result<Grant, Rejection>,
        need: Option<Need>,
        request: &mut Parts,
        mut evidence: Evidence,
        started: Now,
    ) -> Result<Held, Rejection> {
        let verdict = self.settle_shadow(&outcome, need, request, &mut evidence).await;
        match self.after_shadow(outcome, request, &mut evidence).await {
            Ok(grant) => {
                request.extensions.insert(grant);
                Ok(self.held(evidence, started, verdict))
            }
            Err(rejection) => {
                let shadow = verdict.as_ref().and_then(|verdict| self.beside(Some(&rejection), verdict));
                Err(self.rejected(rejection, shadow, request, &evidence, &started))
            }
        }
    }

    async fn hold_unenforced(
        &self,
        need: Option<Need>,
        request: &mut Parts,
        mut evidence: Evidence,
        started: Now,
    ) -> Held {
        let outcome = self.settle_shadow_only(need, request, &mut evidence).await;
        let verdict = self.unenforced(outcome, request);
        self.held(evidence, started, Some(verdict))
    }

    /// A place among the signature checks that was not needed is free again.
    fn held(&self, mut evidence: Evidence, started: Now, verdict: Option<Verdict>) -> Held {
        _ = evidence.take_permit();
        Held { evidence, started, verdict, since: self.state().clock.now().monotonic }
    }
}

impl Held {
    /// The time that the service took is not the decision's.
    fn resumed(mut self, now: &Now) -> Self {
        let took = now.monotonic.saturating_sub(self.since);
        self.started.monotonic = self.started.monotonic.saturating_add(took);
        self.evidence.postpone(took);
        self
    }
}

/// The span and the trace context of a decision that waits.
struct Around(tracing::Span, Option<crate::trace::TraceContext>);

impl Around {
    fn of(requirement: &Requirement, request: &Parts) -> Self {
        Self(span::deciding(requirement, request), requirement.state().trace.incoming(&request.headers))
    }

    /// Boxed: the future of a request that waits for nothing stays small.
    async fn run<T>(self, settling: BoxFuture<'_, Result<T, Rejection>>) -> Result<T, Rejection> {
        let Self(span, context) = self;
        let outcome = carry(context, settling).instrument(span.clone()).await;
        span::conclude(&span, outcome.as_ref().err());
        outcome
    }
}
