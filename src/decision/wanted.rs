//! The decisions that a clause lacks, asked together.

use std::sync::Arc;

use futures_util::future::{join, join_all};

use super::{CacheTimes, Decider, Decision, DecisionError, DecisionRequest};
use crate::rejection::{Rejection, RejectionKind, Remediation};

/// What is at hand to decide by.
pub(crate) struct DecisionView<'a> {
    pub(crate) decider: Option<&'a Decider>,
    /// What has been waited for.
    pub(crate) decided: &'a [Decided],
    /// The route as it was matched, if that is known.
    pub(crate) route: Option<Arc<str>>,
}

/// The decisions that a clause lacks.
pub(crate) struct WantedDecisions {
    decider: Decider,
    wanted: Vec<Wanted>,
}

pub(crate) struct Wanted {
    pub(crate) request: DecisionRequest,
    pub(crate) times: Option<CacheTimes>,
    pub(crate) allow_on_error: bool,
}

/// What came of one of them.
pub(crate) struct Decided {
    request: DecisionRequest,
    outcome: Result<Decision, DecisionError>,
}

impl WantedDecisions {
    pub(crate) fn new(decider: Decider, wanted: Vec<Wanted>) -> Self {
        Self { decider, wanted }
    }

    /// Asks for all of them at once.
    ///
    /// A question that may go without an answer is asked by itself: the error of another one must not stand in for its
    /// answer.
    pub(crate) async fn ask(self) -> Vec<Decided> {
        let Self { decider, wanted } = self;
        let decider = &decider;
        let (alone, together): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|wanted| wanted.allow_on_error);
        let alone = alone.into_iter().map(|Wanted { request, times, .. }| async move {
            let outcome = decider.decide_in_time(&request, times).await;
            Decided { request, outcome }
        });
        let together: Vec<_> = together.into_iter().map(|wanted| (wanted.request, wanted.times)).collect();
        let (mut decided, outcomes) = join(join_all(alone), decider.decide_all_in_time(&together)).await;
        let together = together.into_iter().zip(outcomes);
        decided.extend(together.map(|((request, _), outcome)| Decided { request, outcome }));
        decided
    }
}

impl Decided {
    pub(crate) fn is_about(&self, request: &DecisionRequest) -> bool {
        self.request.key() == request.key()
    }

    pub(crate) fn outcome(&self) -> &Result<Decision, DecisionError> {
        &self.outcome
    }
}

/// The point said no: no scope would help, and why is for the log only.
pub(crate) fn denied_by(decision: &Decision) -> Rejection {
    let reason = decision.reason().unwrap_or("no reason was given");
    let unhandled = if decision.obligations().is_empty() { "" } else { ", or has unhandled obligations" };
    let detail = format!("the decision point denies it{unhandled}: {reason:?}");
    Rejection::new(RejectionKind::Denied, Remediation::None, detail)
}

/// There is no decision: that is neither a denial nor a permission.
pub(crate) fn undecided(error: &DecisionError) -> Rejection {
    let retry_after = error.retry_after().unwrap_or(std::time::Duration::from_secs(1));
    Rejection::unavailable(retry_after, format!("the decision point: {error}"))
}
