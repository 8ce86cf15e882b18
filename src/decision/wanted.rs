//! The decisions that a clause lacks, asked together.

use std::sync::Arc;

use futures_util::future::{join, join_all};

use super::cache::Dated;
use super::{CacheTimes, Decider, Decision, DecisionError, DecisionRequest};
use crate::change::Epoch;
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
    /// By which it was asked.
    times: CacheTimes,
    asked: Epoch,
    /// An error may be that of another question.
    is_batch: bool,
    outcome: Result<Dated, DecisionError>,
}

impl DecisionView<'_> {
    /// What was waited for last of this question, if it may rest on that.
    pub(crate) fn waited(&self, decider: &Decider, wanted: &Wanted) -> Option<Result<&Decision, &DecisionError>> {
        let newest = self.decided.iter().rev().find(|decided| decided.is_of(wanted))?;
        newest.serves(decider, wanted).then(|| newest.outcome.as_ref().map(|dated| &dated.decision))
    }
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
        let (decider, asked) = (&decider, Epoch::latest());
        let decided = |(request, times): (_, Option<_>), is_batch, outcome| Decided {
            request,
            times: times.unwrap_or(decider.times()),
            asked,
            is_batch,
            outcome,
        };
        let (alone, together): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|wanted| wanted.allow_on_error);
        let alone = alone.into_iter().map(|Wanted { request, times, .. }| async move {
            let outcome = decider.decide_in_time(&request, times).await;
            decided((request, times), false, outcome)
        });
        let together: Vec<_> = together.into_iter().map(|wanted| (wanted.request, wanted.times)).collect();
        let is_batch = together.len() > 1;
        let (mut all, outcomes) = join(join_all(alone), decider.decide_all_in_time(&together)).await;
        let together = together.into_iter().zip(outcomes);
        all.extend(together.map(|(asked, outcome)| decided(asked, is_batch, outcome)));
        all
    }
}

impl Decided {
    /// Whether it is an outcome of this question: an error that is tolerated must be that of the question itself.
    fn is_of(&self, wanted: &Wanted) -> bool {
        let is_of_another = self.is_batch && wanted.allow_on_error && self.outcome.is_err();
        !is_of_another && self.request.key() == wanted.request.key()
    }

    /// Whether a decision is as new as a question wants it, and an allow is of after the last change.
    fn serves(&self, decider: &Decider, wanted: &Wanted) -> bool {
        self.outcome.as_ref().ok().is_none_or(|Dated { decision, begun }| {
            let is_new = *begun > self.asked || self.times.is_within(wanted.times.unwrap_or(decider.times()));
            is_new && (!decision.is_allowed() || decider.counts(&self.request, *begun))
        })
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
