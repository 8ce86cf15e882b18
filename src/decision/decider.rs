//! A decision point with a memory: what a route asks.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::asking::{Asking, Manner};
use super::cache::{CacheTimes, Dated, DecisionCache};
use super::key::RequestKey;
use super::waiting::{Unused, in_time_with, overtaken};
use super::{Decision, DecisionError, DecisionPoint, DecisionRequest, KnownIssuers};
use crate::change::{About, Epoch, InvalidationsByName, Question as Asked};
use crate::meter::{Call, Instead, Measured, Meter};
use crate::time::Clock;

/// How often a question is asked whose answers keep being overtaken by invalidations.
pub(super) const ATTEMPTS: usize = 3;

/// Asks a [`DecisionPoint`] and caches its decisions for some seconds.
///
/// A cheap clone; clones share their memory. Requests that are equal and arrive while a call for one of them is under way
/// share that call. Decisions are remembered under the [whole request](DecisionRequest::key),
/// counted from the moment when the call for them began. Errors and decisions with obligations are never remembered.
///
/// ```
/// use std::time::Duration;
/// use orgate::decision::{CacheTimes, Decider, Decision, DecisionFuture, DecisionPoint, DecisionRequest};
///
/// # struct Point;
/// # impl DecisionPoint for Point {
/// #     fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
/// #         Box::pin(std::future::ready(Ok(Decision::deny())))
/// #     }
/// # }
/// let decider = Decider::builder(Point)
///     .remember(CacheTimes::new(Duration::from_secs(30), Duration::from_secs(1)))
///     .build()?;
///
/// // The policies at the decision point changed:
/// decider.forget_all();
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Decider(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) point: Box<dyn DecisionPoint>,
    pub(super) times: CacheTimes,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) cache: DecisionCache,
    pub(super) marks: InvalidationsByName,
    pub(super) asking: Asking,
    pub(super) allowed_on_error: AtomicU64,
    /// Of the first server that was built with it.
    pub(super) meter: OnceLock<Meter>,
}

impl Decider {
    /// Decides one request, from the cache where possible.
    ///
    /// # Errors
    ///
    /// Returns a [`DecisionError`] if there is no decision. That is not a denial.
    pub async fn decide(&self, request: &DecisionRequest) -> Result<Decision, DecisionError> {
        self.decide_within(request, self.0.times).await
    }

    /// Decides one request with its own cache times, for a route that needs fresher decisions or none from the cache
    /// ([`CacheTimes::NONE`]).
    ///
    /// # Errors
    ///
    /// Returns a [`DecisionError`] if there is no decision. That is not a denial.
    pub async fn decide_within(&self, request: &DecisionRequest, times: CacheTimes) -> Result<Decision, DecisionError> {
        Ok(self.decide_one(request, times, &Unused::default()).await?.decision)
    }

    async fn decide_one(
        &self,
        request: &DecisionRequest,
        times: CacheTimes,
        unused: &Unused,
    ) -> Result<Dated, DecisionError> {
        request.check()?;
        let question = Question::new(request, times);
        if let Some(decision) = self.remembered(&question, times) {
            return Ok(decision);
        }
        for attempt in 0..ATTEMPTS {
            let manner = Manner { is_batch: false, times, anew: attempt > 0 };
            let answer = self.ask(std::slice::from_ref(request), manner, unused).await?;
            let decision = answer.decisions.into_iter().next().ok_or_else(overtaken)?;
            if self.settle(&question, &decision, times, answer.begun) {
                return Ok(Dated { decision, begun: answer.begun.1 });
            }
            unused.note();
        }
        Err(overtaken())
    }

    /// What is remembered of a request: no call is made.
    pub(crate) fn known(&self, request: &DecisionRequest, times: Option<CacheTimes>) -> Option<Decision> {
        let times = times.unwrap_or(self.0.times);
        Some(self.remembered(&Question::new(request, times), times)?.decision)
    }

    /// As [`decide_within`](Self::decide_within), and waits no longer than two seconds, whatever the point does.
    pub(crate) async fn decide_in_time(
        &self,
        request: &DecisionRequest,
        times: Option<CacheTimes>,
    ) -> Result<Dated, DecisionError> {
        let unused = Unused::default();
        let deciding = self.decide_one(request, times.unwrap_or(self.0.times), &unused);
        in_time_with(&unused, Box::pin(deciding)).await
    }

    /// Returns how many requests passed because the point could not be reached, on routes that allow that.
    #[must_use]
    pub fn allowed_on_error(&self) -> u64 {
        self.0.allowed_on_error.load(Ordering::Relaxed)
    }

    pub(crate) fn count_allowed_on_error(&self) {
        self.0.allowed_on_error.fetch_add(1, Ordering::Relaxed);
        if let Some(meter) = self.0.meter.get() {
            meter.note(|to| to.without_answer(Instead::AllowedOnError));
        }
    }

    pub(crate) fn measured_by(&self, meter: &Meter) {
        _ = self.0.meter.set(meter.clone());
    }

    /// Begins to measure a call of the point.
    pub(super) fn measure(&self) -> Measured {
        let nowhere = Meter::default();
        self.0.meter.get().unwrap_or(&nowhere).begin(Call::DecisionPoint, None, &self.0.clock)
    }

    /// Decides several requests, at most [`MAX_BATCH`](super::MAX_BATCH), and returns the decisions in their order.
    /// Decisions that are not cached are requested together.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no decision for one of them.
    pub async fn decide_all(&self, requests: &[DecisionRequest]) -> Result<Vec<Decision>, DecisionError> {
        self.decide_all_within(requests, self.0.times).await
    }

    /// Decides several requests as [`decide_all`](Self::decide_all) does, with its own cache times.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no decision for one of them.
    pub async fn decide_all_within(
        &self,
        requests: &[DecisionRequest],
        times: CacheTimes,
    ) -> Result<Vec<Decision>, DecisionError> {
        let each: Vec<_> = requests.iter().map(|request| (request, times)).collect();
        let dated = self.decide_each(&each, &Unused::default()).await?;
        Ok(dated.into_iter().map(|dated| dated.decision).collect())
    }

    /// Drops all cached decisions.
    pub fn forget_all(&self) {
        self.0.marks.note_all(Epoch::next());
        self.0.cache.clear();
    }

    /// Forgets what may rest on what changed. An answer that is on its way is not used.
    pub(crate) fn invalidate(&self, issuer_name: &str, about: &About, at: Epoch) {
        self.0.marks.note(issuer_name, about, at);
    }

    /// Whether nothing has changed since a call that began then.
    pub(super) fn counts(&self, request: &DecisionRequest, begun: Epoch) -> bool {
        let asked = Asked::Decision { subject: request.subject_id(), organization: request.organization_id() };
        begun > self.0.marks.latest(request.issuer_name(), asked)
    }

    pub(super) fn remembered(&self, question: &Question<'_>, times: CacheTimes) -> Option<Dated> {
        let now = self.0.clock.now().monotonic;
        self.0.cache.get(question.key.as_ref()?, times, now, |begun| self.counts(question.request, begun))
    }

    pub(crate) fn point(&self) -> &dyn DecisionPoint {
        &*self.0.point
    }

    /// How long decisions are remembered where a route does not say.
    pub(super) fn times(&self) -> CacheTimes {
        self.0.times
    }

    pub(super) fn asking(&self) -> &Asking {
        &self.0.asking
    }

    pub(super) fn begin(&self) -> (Duration, Epoch) {
        (self.0.clock.now().monotonic, Epoch::next())
    }

    /// Remembers an answer. An allow whose call began before an invalidation is not used, let alone remembered; a denial
    /// is not remembered.
    pub(super) fn settle(
        &self,
        question: &Question<'_>,
        decision: &Decision,
        times: CacheTimes,
        (begun_at, begun): (Duration, Epoch),
    ) -> bool {
        if !self.counts(question.request, begun) {
            return !decision.is_allowed();
        }
        if let Some(key) = &question.key {
            self.0.cache.store(key.clone(), decision, times, begun_at, begun);
        }
        true
    }

    pub(crate) fn known_issuers(&self) -> KnownIssuers {
        self.0.point.known_issuers()
    }

    #[cfg(test)]
    pub(super) fn remembers(&self) -> u64 {
        self.0.cache.len()
    }
}

pub(super) struct Question<'a> {
    request: &'a DecisionRequest,
    /// Absent where nothing is to be remembered.
    key: Option<RequestKey>,
}

impl<'a> Question<'a> {
    pub(super) fn new(request: &'a DecisionRequest, times: CacheTimes) -> Self {
        Self { request, key: DecisionCache::key(request, times) }
    }
}

impl fmt::Debug for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decider").field("times", &self.0.times).finish_non_exhaustive()
    }
}
