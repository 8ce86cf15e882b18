//! What all subjects have in common: the organization template, the resources, what global roles hold.
//!
//! As a rule an answer serves only who began before it was asked for: a burst of snapshots asks once or twice for what they
//! share, and none of them rests on something that was read before it began. Only where the calls do not suffice, an answer
//! that was read a while ago serves on, so that a look-up of more calls than a window has comes to an end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;

use super::records::Template;
use crate::flight::{NO_RUNTIME, Panicked, SingleFlight, Unfinished};
use crate::lock::lock;
use crate::permissions::SourceError;

/// A list of many pages is read by then.
const LIMIT: Duration = Duration::from_secs(10);
/// Longer than any task takes.
const MOST_WAIT: Duration = Duration::from_secs(12);
/// A snapshot waits for the task under way, which began before it, and for the next one. Others may be short of calls.
const MOST_TASKS: usize = 16;
/// More roles than that, and those known are forgotten: it costs calls and changes no answer.
const MOST_ROLES: usize = 4096;

/// The order of what begins: snapshots, and questions that they share.
#[derive(Debug, Default)]
pub(super) struct Order(AtomicU64);

/// A moment in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Order {
    pub(super) fn next(&self) -> Moment {
        Moment(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

/// Pairs of a resource and something of it.
pub(super) type Pairs = Vec<(String, String)>;

#[derive(Default)]
pub(super) struct Shared {
    pub(super) template: Answer<Template>,
    /// Ids and indicators.
    pub(super) resources: Answer<Pairs>,
    roles: Mutex<HashMap<String, Arc<Answer<Pairs>>>>,
    /// What was asked for before that serves on no more.
    forgotten: AtomicU64,
}

impl Shared {
    /// What a global role holds: indicators and scopes.
    pub(super) fn role(&self, id: &str) -> Arc<Answer<Pairs>> {
        let mut roles = lock(&self.roles);
        if roles.len() >= MOST_ROLES && !roles.contains_key(id) {
            roles.clear();
        }
        roles.entry(id.to_owned()).or_default().clone()
    }

    /// Something of it has changed.
    pub(super) fn forget(&self, order: &Order) {
        self.forgotten.fetch_max(order.next().0, Ordering::SeqCst);
    }

    pub(super) fn forgotten(&self) -> Moment {
        Moment(self.forgotten.load(Ordering::SeqCst))
    }
}

/// What a snapshot wants of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    /// When the snapshot began: what was asked for since is as good as new.
    pub(super) began: Moment,
    /// What was asked for before either of these does not serve at all.
    pub(super) after: Moment,
    pub(super) oldest: Duration,
    /// Whether what serves need not be asked for again.
    pub(super) is_content: bool,
}

/// What is known of the answer to one question. It is asked by one task for all who want it.
pub(super) struct Answer<T> {
    last: Arc<Mutex<Last<T>>>,
    asking: SingleFlight<(), ()>,
}

struct Last<T> {
    /// When it was asked for last, and what came of it.
    outcome: Option<(Moment, Outcome<T>)>,
    /// The last time that something came of it.
    good: Option<(Moment, Duration, Arc<T>)>,
}

type Outcome<T> = Result<Arc<T>, SourceError>;

impl<T: Send + Sync + 'static> Answer<T> {
    /// The answer that is wanted: one asked for since the snapshot began, or `ask`'s. If `reserve` has no call for that, one
    /// that serves on; `None` if there is none.
    pub(super) async fn get<R, F>(
        &self,
        want: Want,
        order: &Order,
        now: impl Fn() -> Duration + Sync,
        reserve: impl Fn() -> Option<R> + Sync,
        ask: impl Fn(R) -> F + Sync,
    ) -> Result<Option<Arc<T>>, SourceError>
    where
        F: Future<Output = Result<T, SourceError>> + Send + 'static,
    {
        let known = || self.current(want.began).or_else(|| self.kept(want).filter(|_| want.is_content).map(Ok));
        let is_short = AtomicBool::new(false);
        let work = || {
            let begun = reserve().map(|call| (order.next(), now(), ask(call)));
            is_short.store(begun.is_none(), Ordering::Relaxed);
            let last = self.last.clone();
            async move {
                if let Some((asked, at, ask)) = begun {
                    let late = |_| Err(SourceError::new(format!("no answer within {LIMIT:?}")));
                    let outcome = timeout(LIMIT, ask).await.unwrap_or_else(late).map(Arc::new);
                    lock(&last).land(asked, at, outcome);
                }
            }
        };
        for _ in 0..MOST_TASKS {
            if let Some(outcome) = known() {
                return outcome.map(Some);
            }
            if is_short.load(Ordering::Relaxed) {
                return Ok(self.kept(want));
            }
            match self.asking.join((), MOST_WAIT, work).await {
                Ok(Ok(())) => {}
                Ok(Err(Panicked)) => return Err(SourceError::new("the HTTP client panicked")),
                Err(Unfinished::NoRuntime) => return Err(SourceError::new(NO_RUNTIME).not_asked()),
                Err(Unfinished::Late) => return Err(SourceError::new(format!("no answer within {MOST_WAIT:?}"))),
            }
        }
        known().transpose()
    }

    /// Whether a task asks for it now.
    pub(super) fn is_asked(&self) -> bool {
        self.asking.under_way() > 0
    }

    fn current(&self, began: Moment) -> Option<Outcome<T>> {
        let last = lock(&self.last);
        last.outcome.as_ref().filter(|(asked, _)| *asked > began).map(|(_, outcome)| outcome.clone())
    }

    fn kept(&self, want: Want) -> Option<Arc<T>> {
        let last = lock(&self.last);
        let serves = |(asked, at, _): &&(Moment, Duration, Arc<T>)| *asked > want.after && *at >= want.oldest;
        last.good.as_ref().filter(serves).map(|(.., answer)| answer.clone())
    }

    /// When what may serve on was asked for.
    pub(super) fn asked_at(&self) -> Option<Duration> {
        let last = lock(&self.last);
        last.good.as_ref().map(|(_, at, _)| *at)
    }
}

impl<T> Last<T> {
    fn land(&mut self, asked: Moment, at: Duration, outcome: Outcome<T>) {
        if let Ok(answer) = &outcome {
            self.good = Some((asked, at, answer.clone()));
        }
        self.outcome = Some((asked, outcome));
    }
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        let last = Last { outcome: None, good: None };
        Self { last: Arc::new(Mutex::new(last)), asking: SingleFlight::default() }
    }
}

#[cfg(test)]
mod tests;
