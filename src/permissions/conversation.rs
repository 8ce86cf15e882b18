//! What one client has been told about one thing: a pure state machine.
//!
//! A client that is told to get a new token comes back with one. If that does not help, the next step is due. Steps only go
//! up, and the last one says that nothing helps. A step is left at the third token that *counts*: one that may have been
//! issued after the step was first said, so that other devices with older tokens do not use up the steps of this one.

use std::time::Duration;

use crate::rejection::Remediation;
use crate::time::Now;
use crate::token::SubjectKind;

/// Without a rejection for this long, what is said next starts anew.
const SILENCE: Duration = Duration::from_secs(10 * 60);
/// A step is left at this many tokens that count.
const TOKENS_A_STEP: u8 = 3;
/// A token issued this close to the expiry of an answered token renews it, in seconds; or closer to that than to its issue.
const RENEWAL: f64 = 300.0;
/// More tokens than the devices of one user hold for one thing.
pub(super) const MOST_TOKENS: usize = 32;

/// How token and source differ, or what the token lacks beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// The token would pass, and the subject no longer holds what it says.
    Lost,
    /// The subject holds an organization permission that the token lacks: a new token brings it if the client ever asked
    /// for it.
    GainedInOrganization,
    /// The subject holds an API permission that the token lacks: only a new sign-in brings it.
    GainedForApi,
    /// A machine holds what its token lacks: it gets what it requests.
    GainedByMachine,
    /// The user must sign in again, in another way or because it was too long ago.
    SignIn,
    /// The same of a token that was good when it was issued. Its client and its issuer did what they were asked to do.
    SignInAgain,
}

impl Difference {
    /// What to say, in this order.
    const fn steps(self) -> &'static [Remediation] {
        match self {
            Self::Lost => &[Remediation::Refresh, Remediation::None],
            Self::GainedInOrganization => &[Remediation::Refresh, Remediation::Reconsent, Remediation::None],
            Self::GainedForApi => &[Remediation::Reconsent, Remediation::None],
            Self::GainedByMachine => &[Remediation::RequestScope, Remediation::None],
            Self::SignIn | Self::SignInAgain => &[Remediation::StepUp, Remediation::None],
        }
    }

    fn first(self) -> Remediation {
        self.steps().first().copied().unwrap_or(Remediation::None)
    }

    /// The last step that is not beyond this one; the first one if all are.
    fn at(self, step: Remediation) -> Remediation {
        let reached = self.steps().iter().rev().find(|known| rank(**known) <= rank(step));
        reached.copied().unwrap_or_else(|| self.first())
    }

    fn after(self, step: Remediation) -> Remediation {
        self.steps().iter().copied().find(|next| rank(*next) > rank(step)).unwrap_or(Remediation::None)
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
        Remediation::Reconsent | Remediation::RequestScope | Remediation::StepUp => 2,
        _ => 3,
    }
}

/// A token, as far as a conversation needs to know it. Times are the issuer's, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented {
    pub(crate) digest: [u8; 32],
    pub(crate) issued_at: Option<f64>,
    pub(crate) expires_at: f64,
}

/// When something is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Now,
    /// At least how far the issuer's clock is ahead of ours, in seconds.
    pub(crate) lead: f64,
}

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) step: Remediation,
    /// The step that has just been left for this one, if one was.
    pub(crate) left: Option<Remediation>,
}

/// The answers about one topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation {
    /// Whether the subject holds what is required, by the source.
    holds: bool,
    position: Option<Position>,
    /// The monotonic time of the last answer.
    answered: Duration,
    /// Which token heard what; the least recent answer is first.
    told: Vec<Told>,
}

#[derive(Clone, Debug)]
struct Position {
    step: Remediation,
    /// When this step was first said, and when the conversation began, by our clock.
    said: f64,
    began: f64,
    counted: u8,
}

#[derive(Clone, Debug)]
struct Told {
    /// The first half of the token's digest.
    token: [u8; 16],
    expires_at: f64,
    /// How close to its expiry another token renews it, in seconds.
    renewal: f64,
    step: Remediation,
}

impl Conversation {
    /// What the source says. A change starts anew.
    pub(super) fn see(&mut self, holds: bool) {
        if self.holds != holds {
            *self = Self { holds, ..Self::default() };
        }
    }

    /// The bytes that it takes beside a fixed part.
    pub(super) fn size(&self) -> usize {
        self.told.capacity() * size_of::<Told>()
    }

    pub(super) fn answer(&mut self, token: Presented, difference: Difference, holds: bool, moment: Moment) -> Answer {
        self.see(holds);
        if moment.now.monotonic.saturating_sub(self.answered) >= SILENCE {
            *self = Self { holds, ..Self::default() };
        }
        self.answered = moment.now.monotonic;
        let heard = self.told.iter().position(|told| token.digest.starts_with(&told.token));
        let heard = heard.map(|index| self.told.remove(index));
        if heard.is_none() && difference == Difference::SignInAgain {
            *self = Self { holds, answered: self.answered, ..Self::default() };
        }
        let answer = match heard {
            Some(told) if difference.steps().contains(&told.step) => Answer { step: told.step, left: None },
            _ => self.next(token, difference, moment),
        };
        self.remember(token, answer.step);
        answer
    }

    fn next(&mut self, token: Presented, difference: Difference, moment: Moment) -> Answer {
        let now = moment.now.unix.as_secs_f64();
        let renews = self.renews(token);
        let Some(position) = &mut self.position else {
            let step = difference.first();
            self.position = Some(Position { step, said: now, began: now, counted: 0 });
            return Answer { step, left: None };
        };
        // The issuer cuts `iat` to whole seconds. A token without one counts: a conversation must end.
        let is_older = |said: f64| token.issued_at.is_some_and(|issued| issued + 1.0 <= said + moment.lead);
        if is_older(position.began) {
            // Another device or session, that has not yet been told anything.
            return Answer { step: difference.first(), left: None };
        }
        let present = difference.at(position.step);
        let waits_for_person = matches!(position.step, Remediation::Reconsent | Remediation::StepUp);
        if is_older(position.said) || (waits_for_person && renews) {
            return Answer { step: present, left: None };
        }
        position.counted = position.counted.saturating_add(1);
        let step = if position.counted >= TOKENS_A_STEP { difference.after(position.step) } else { present };
        let left = (rank(step) > rank(position.step)).then_some(position.step);
        if left.is_some() {
            *position = Position { step, said: now, began: position.began, counted: 0 };
        }
        Answer { step, left }
    }

    /// Clients renew their tokens on their own, before their user has agreed to anything.
    fn renews(&self, token: Presented) -> bool {
        let renews = |issued: f64| self.told.iter().any(|told| (issued - told.expires_at).abs() <= told.renewal);
        token.issued_at.is_some_and(renews)
    }

    fn remember(&mut self, token: Presented, step: Remediation) {
        if self.told.len() >= MOST_TOKENS {
            self.told.remove(0);
        }
        let mut half = [0; 16];
        half.copy_from_slice(token.digest.split_at(16).0);
        let lifetime = token.issued_at.map_or(f64::INFINITY, |issued| token.expires_at - issued);
        let renewal = RENEWAL.min(lifetime / 2.0);
        self.told.push(Told { token: half, expires_at: token.expires_at, renewal, step });
    }
}

#[cfg(test)]
mod tests;
