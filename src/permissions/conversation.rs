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
pub(crate) struct Topic {
    pub(crate) issuer_name: Arc<str>,
    pub(crate) subject: Arc<str>,
    pub(crate) client: Option<Box<str>>,
    pub(crate) organization: Option<Box<str>>,
    pub(crate) requirement: Arc<str>,
}

/// How token and source differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
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

    pub(crate) const fn gained(kind: SubjectKind, in_organization: bool) -> Self {
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
pub(crate) struct Spoken {
    pub(crate) digest: [u8; 32],
    /// Seconds since the Unix epoch.
    pub(crate) issued_at: Option<f64>,
}

/// More tokens than one client holds for one thing.
const MOST_TOKENS: usize = 8;

/// The answers about one topic.
#[derive(Debug, Default)]
struct Conversation {
    /// Which token heard what, the latest last.
    told: Vec<([u8; 32], Remediation)>,
    /// The farthest step, and when it was taken, since the Unix epoch.
    last: Option<(Remediation, Duration)>,
    /// Whether the subject holds it, by the source.
    holds: bool,
}

impl Conversation {
    /// What changes whether the subject holds it starts anew.
    fn see(&mut self, holds: bool) {
        if self.holds != holds {
            *self = Self { holds, ..Self::default() };
        }
    }

    fn answer(
        &mut self,
        token: Spoken,
        difference: Difference,
        holds: bool,
        now: Duration,
        leeway: Duration,
    ) -> Remediation {
        self.see(holds);
        let steps = difference.steps();
        if let Some((_, same)) = self.told.iter().find(|(to, step)| *to == token.digest && steps.contains(step)) {
            return *same;
        }
        let is_later = |at: Duration| {
            // A token that does not say when it was issued counts as later: a conversation must end.
            token.issued_at.is_none_or(|issued| issued >= at.saturating_sub(leeway).as_secs_f64().floor())
        };
        let at_least = match self.last {
            None => 0,
            Some((last, at)) if is_later(at) => rank(last) + 1,
            // An older token beside the one that was answered hears the same.
            Some((last, _)) => rank(last),
        };
        let step = steps.iter().copied().find(|step| rank(*step) >= at_least).unwrap_or(Remediation::None);
        if self.last.is_none_or(|(last, _)| rank(step) > rank(last)) {
            self.last = Some((step, now));
        }
        if self.told.len() >= MOST_TOKENS {
            self.told.remove(0);
        }
        self.told.push((token.digest, step));
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
    pub(crate) fn answer(
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

    /// What the source says where no step is to be taken.
    pub(crate) fn see(&self, topic: &Topic, holds: bool) {
        if let Some(conversation) = self.0.get(topic) {
            conversation.lock().unwrap_or_else(PoisonError::into_inner).see(holds);
        }
    }

    /// The topic is settled.
    pub(crate) fn forget(&self, topic: &Topic) {
        self.0.invalidate(topic);
    }
}

impl Topic {
    pub(crate) fn new(token: &AccessToken, organization: Option<&str>, requirement: &Arc<str>) -> Self {
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

#[cfg(test)]
mod tests;
