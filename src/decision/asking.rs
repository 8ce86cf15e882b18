//! One call for all who ask the same at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use super::cache::CacheTimes;
use super::decider::Decider;
use super::key::RequestKey;
use super::point::one_for_each;
use super::waiting::Unused;
use super::{Decision, DecisionError, DecisionRequest};
use crate::change::Epoch;
use crate::flight::{Panicked, SingleFlight, Unfinished, has_runtime};
use crate::meter::CallOutcome;

/// A call that takes longer is given up.
const LONGEST_CALL: Duration = Duration::from_secs(10);
const MORE: Duration = Duration::from_millis(500);
/// More calls at a time than that, and each is its caller's own, which ends with it.
const MOST_SHARED: usize = 1024;

/// The calls that are under way.
#[derive(Default)]
pub(super) struct Asking {
    flights: SingleFlight<Question, Arc<Landed>>,
    /// Arrivals and calls, in one order.
    order: AtomicU64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Question {
    One(RequestKey),
    Several(Vec<RequestKey>),
}

/// What a call brought.
struct Landed {
    /// Whose call it was.
    by: u64,
    /// When it began, in the order of arrivals and calls.
    began: u64,
    answer: Result<Answer, DecisionError>,
}

/// Decisions, and since when they are true.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) decisions: Vec<Decision>,
    pub(super) begun: (Duration, Epoch),
}

/// How requests are asked.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// Several in one go, even if it is only one.
    pub(super) is_batch: bool,
    /// For how long an answer may serve another request.
    pub(super) times: CacheTimes,
    /// Only a call that begins from now on will do.
    pub(super) anew: bool,
}

impl Asking {
    fn next(&self) -> u64 {
        self.order.fetch_add(1, Ordering::SeqCst)
    }
}

impl Decider {
    /// Asks the point, or joins a call for the same requests that is under way. An answer to a call that began before this
    /// request arrived is used only if it could have been remembered for as long.
    /// What could not be used is noted.
    pub(super) async fn ask(
        &self,
        requests: &[DecisionRequest],
        manner: Manner,
        unused: &Unused,
    ) -> Result<Answer, DecisionError> {
        let asking = self.asking();
        if !has_runtime() || asking.flights.under_way() >= MOST_SHARED {
            return self.call(requests, manner).await;
        }
        let question = match requests {
            [only] if !manner.is_batch => Question::One(only.key()),
            _ => Question::Several(requests.iter().map(DecisionRequest::key).collect()),
        };
        let arrival = asking.next();
        loop {
            let work = || {
                let (decider, requests) = (self.clone(), requests.to_vec());
                async move {
                    let began = decider.asking().next();
                    let late = |_| DecisionError::unavailable(format_args!("no answer within {LONGEST_CALL:?}"));
                    let answer = timeout(LONGEST_CALL, decider.call(&requests, manner)).await;
                    Arc::new(Landed { by: arrival, began, answer: answer.map_err(late).and_then(|answer| answer) })
                }
            };
            let landed = match asking.flights.join(question.clone(), LONGEST_CALL + MORE, work).await {
                Ok(Ok(landed)) => landed,
                Ok(Err(Panicked)) => return Err(DecisionError::wrong("the decision point panicked")),
                Err(Unfinished::NoRuntime | Unfinished::Late) => {
                    return Err(DecisionError::wrong("the request ended without a result"));
                }
            };
            let answer = landed.answer.clone()?;
            let is_newer = landed.began > arrival;
            let may_share = answer.decisions.iter().all(Decision::is_reusable);
            if landed.by == arrival || may_share && (is_newer || self.is_young(&answer, manner)) {
                return Ok(answer);
            }
            unused.note();
            if is_newer {
                // It holds for one request only, and that was another.
                return self.call(requests, manner).await;
            }
        }
    }

    /// A call that belongs to its caller.
    async fn call(&self, requests: &[DecisionRequest], manner: Manner) -> Result<Answer, DecisionError> {
        let begun = self.begin();
        let call = self.measure();
        let decisions = match requests {
            [only] if !manner.is_batch => self.point().decide(only).await.map(|decision| vec![decision]),
            _ => {
                let decisions = self.point().decide_all(requests).await;
                decisions.and_then(|decisions| one_for_each(decisions, requests.len()))
            }
        };
        call.end(CallOutcome::from(&decisions));
        Ok(Answer { decisions: decisions?, begun })
    }

    fn is_young(&self, answer: &Answer, manner: Manner) -> bool {
        let age = self.begin().0.saturating_sub(answer.begun.0);
        !manner.anew && answer.decisions.iter().all(|decision| age < manner.times.of(decision.is_allowed()))
    }
}
