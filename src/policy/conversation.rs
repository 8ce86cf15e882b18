//! What clients were told, so that no conversation goes in circles.
//!
//! A client that is told to get a new token comes back with one. If that does not help, it must hear something else: each
//! answer is a step, steps only go up, and the last one is that nothing helps.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::rejection::Remediation;
use crate::token::{AccessToken, SubjectKind};

/// Losing one costs its client one more step.
const MOST_CONVERSATIONS: u64 = 100_000;
const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// Who was answered, about what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Topic {
    pub(super) issuer_name: Arc<str>,
    pub(super) subject: Arc<str>,
    pub(super) client: Option<Box<str>>,
    pub(super) organization: Option<Box<str>>,
    pub(super) requirement: Arc<str>,
}

/// How token and source differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// The token would pass, and the subject does not hold it any more.
    Lost,
    /// The subject holds it, and the token lacks it: an organization permission, that a new token brings if the client ever
    /// asked for it.
    GainedInOrganization,
    /// The same for an API permission, that only a new sign-in brings.
    GainedForApi,
    /// The same for a machine, that gets what it asks for.
    GainedByMachine,
}

impl Difference {
    /// What to say, in this order.
    const fn steps(self) -> &'static [Remediation] {
        match self {
            Self::Lost => &[Remediation::Refresh, Remediation::None],
            Self::GainedInOrganization => &[Remediation::Refresh, Remediation::Reconsent, Remediation::None],
            Self::GainedForApi => &[Remediation::Reconsent, Remediation::None],
            Self::GainedByMachine => &[Remediation::RequestScope, Remediation::None],
        }
    }

    pub(super) const fn gained(kind: SubjectKind, in_organization: bool) -> Self {
        match (kind, in_organization) {
            (SubjectKind::Machine, _) => Self::GainedByMachine,
            (_, true) => Self::GainedInOrganization,
            (_, false) => Self::GainedForApi,
        }
    }
}

const fn rank(step: Remediation) -> u8 {
    match step {
        Remediation::Refresh => 1,
        Remediation::Reconsent | Remediation::RequestScope => 2,
        _ => 3,
    }
}

/// A token, as far as a conversation needs to know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken {
    pub(super) digest: [u8; 32],
    /// Seconds since the Unix epoch.
    pub(super) issued_at: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    to: [u8; 32],
    /// Since the Unix epoch.
    at: Duration,
    step: Remediation,
}

/// The answers about one topic, one for each rank at most.
#[derive(Debug, Default)]
struct Conversation {
    answers: Vec<Answer>,
    /// Whether the subject holds it, by the source.
    holds: bool,
}

impl Conversation {
    fn answer(
        &mut self,
        token: Spoken,
        difference: Difference,
        holds: bool,
        now: Duration,
        leeway: Duration,
    ) -> Remediation {
        if self.holds != holds {
            *self = Self { answers: Vec::new(), holds };
        }
        let steps = difference.steps();
        if let Some(same) = self.answers.iter().find(|answer| answer.to == token.digest && steps.contains(&answer.step))
        {
            return same.step;
        }
        let last = self.answers.last().map(|answer| (rank(answer.step), answer.at));
        let is_later = |at: Duration| {
            // A token that does not say when it was issued counts as later: a conversation must end.
            token.issued_at.is_none_or(|issued| issued >= at.saturating_sub(leeway).as_secs_f64().floor())
        };
        let at_least = match last {
            None => 0,
            Some((rank, at)) if is_later(at) => rank + 1,
            Some((rank, _)) => rank,
        };
        let step = steps.iter().copied().find(|step| rank(*step) >= at_least).unwrap_or(Remediation::None);
        // An older token beside the one that was answered hears the same, and changes nothing.
        if last.is_none_or(|(last, _)| rank(step) > last) {
            self.answers.push(Answer { to: token.digest, at: now, step });
        }
        step
    }
}

/// The conversations of one server.
pub(crate) struct Conversations(Cache<Topic, Arc<Mutex<Conversation>>>);

impl Conversations {
    pub(crate) fn new() -> Self {
        let cache = Cache::builder().max_capacity(MOST_CONVERSATIONS).time_to_idle(IDLE);
        Self(cache.eviction_policy(EvictionPolicy::lru()).build())
    }

    /// What this token hears.
    pub(super) fn answer(
        &self,
        topic: Topic,
        token: Spoken,
        difference: Difference,
        holds: bool,
        now: Duration,
        leeway: Duration,
    ) -> Remediation {
        let conversation = self.0.get_with(topic, Arc::default);
        let mut conversation = conversation.lock().unwrap_or_else(PoisonError::into_inner);
        conversation.answer(token, difference, holds, now, leeway)
    }

    /// The topic is settled.
    pub(super) fn forget(&self, topic: &Topic) {
        self.0.invalidate(topic);
    }
}

impl Topic {
    pub(super) fn new(token: &AccessToken, organization: Option<&str>, requirement: &Arc<str>) -> Self {
        Self {
            issuer_name: token.subject().issuer().clone(),
            subject: token.subject().shared_id().clone(),
            client: token.client_id().map(Into::into),
            organization: organization.map(Into::into),
            requirement: requirement.clone(),
        }
    }
}

impl fmt::Debug for Conversations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversations").finish_non_exhaustive()
    }
}
