//! What is known about a request so far.

use std::sync::Arc;
use std::time::Duration;

use super::permits::Permit;
use super::record::Wait;
use crate::change::Epoch;
use crate::decision::Decided;
use crate::explain::Steps;
use crate::permissions::Waited;
use crate::policy::CheckMemory;
use crate::signature::VerifyingKey;
use crate::time::Now;
use crate::token::AccessToken;
use crate::token::binding::Proven;
use crate::token::introspect::Answer;
use crate::token::verify::AwaitedKey;

/// A request is decided in one go from what is at hand. Where that is not enough, what is missing is obtained and kept here,
/// and the decision is made again. A request that waits for nothing allocates nothing for it.
#[derive(Default)]
pub(crate) struct Evidence {
    /// The token, once it is verified: a later decision does not verify it again.
    pub(super) token: Option<AccessToken>,
    pub(super) is_cached: bool,
    /// The text of the token, where it is not in `Authorization`: it was taken out of the request, or came after it.
    pub(super) sent_apart: Option<Arc<str>>,
    /// A signature was checked for it, or the issuer was asked.
    pub(super) is_checked: bool,
    /// When the request arrived, in the order of fetches and changes.
    pub(super) arrival: Option<Epoch>,
    gathered: Option<Box<Gathered>>,
    /// What the application's code said: it runs once.
    memory: CheckMemory,
    /// How far the last decision came.
    pub(super) reached: Reached,
    /// The decision point could not be reached, and the policy that was judged last says that this may pass.
    pub(super) without_decision: bool,
    /// Takes down each step, where somebody wants to see them. Nothing comes of such a decision: it uses no proof, moves no
    /// conversation and counts nowhere.
    pub(super) steps: Steps,
}

/// How far a decision came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reached {
    /// The policy was not asked.
    #[default]
    Token,
    /// The policy was asked.
    Policy,
    /// The policy is met.
    Proof,
}

/// What was waited for.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) key: Option<AwaitedKey>,
    /// Keys that did not verify the token.
    pub(super) failed: Vec<Arc<VerifyingKey>>,
    pub(super) permit: Option<Permit>,
    /// What the issuer says of an opaque token.
    pub(super) answer: Option<Arc<Answer>>,
    pub(super) permissions: Vec<Waited>,
    pub(super) decided: Vec<Decided>,
    pub(super) waits: Vec<Wait>,
    /// When all waits end, in monotonic time. Set by the first one.
    deadline: Option<Duration>,
    /// A proof that was verified: a later decision does not verify it again.
    pub(super) proven: Option<Box<Proven>>,
    /// Replicas have recorded it.
    pub(super) is_proof_shared: bool,
}

impl Evidence {
    pub(super) fn gathered(&self) -> Option<&Gathered> {
        self.gathered.as_deref()
    }

    /// Of a request whose token came after it.
    pub(super) fn of_token(token: Arc<str>) -> Self {
        Self { sent_apart: Some(token), ..Self::default() }
    }

    /// Of a later look, that takes what was asked after this moment.
    pub(super) fn since(arrival: Epoch) -> Self {
        Self { arrival: Some(arrival), ..Self::default() }
    }

    /// Of a decision that only shows how it is made.
    pub(super) fn explained() -> Self {
        Self { steps: Steps::on(), ..Self::default() }
    }

    pub(super) const fn is_explained(&self) -> bool {
        self.steps.is_on()
    }

    /// What was found in one request, or by one policy, holds for no other.
    pub(super) fn forget_request(&mut self) {
        self.memory = CheckMemory::default();
    }

    /// What a policy is judged by.
    pub(super) fn at_hand(&mut self) -> (Option<&Gathered>, &mut CheckMemory, &mut Steps) {
        (self.gathered.as_deref(), &mut self.memory, &mut self.steps)
    }

    pub(super) fn gather(&mut self) -> &mut Gathered {
        self.gathered.get_or_insert_default()
    }

    /// The issuer's settings are others now: what was obtained by the old ones serves no more.
    pub(super) fn discard(&mut self) {
        self.token = None;
        self.discard_gathered();
        self.memory.forget_outcomes();
    }

    /// For another decision about a request that was granted. What was asked for may be long ago: it is asked for again, and so
    /// is what the issuer says of an opaque token.
    pub(super) fn renew(&mut self, token: Option<&AccessToken>) {
        self.arrival = None;
        match token.filter(|token| token.jws().is_some()) {
            Some(token) => {
                self.token = Some(token.clone());
                self.discard_gathered();
            }
            None => self.discard(),
        }
    }

    fn discard_gathered(&mut self) {
        if let Some(gathered) = &mut self.gathered {
            let (waits, deadline) = (std::mem::take(&mut gathered.waits), gathered.deadline);
            **gathered = Gathered { waits, deadline, ..Gathered::default() };
        }
    }

    /// The first wait begins the time that all of them have together.
    pub(super) fn begin_wait(&mut self, now: &Now, limit: Duration) {
        self.gather().deadline.get_or_insert(now.monotonic.saturating_add(limit));
    }

    /// How long the request may still wait; `None` if it has not waited yet.
    pub(super) fn time_left(&self, now: &Now) -> Option<Duration> {
        Some(self.gathered()?.deadline?.saturating_sub(now.monotonic))
    }

    /// Nothing was decided for so long.
    pub(super) fn postpone(&mut self, time: Duration) {
        if let Some(deadline) = self.gathered.as_mut().and_then(|gathered| gathered.deadline.as_mut()) {
            *deadline = deadline.saturating_add(time);
        }
    }

    /// Taken out: a request that waits on need not hold it.
    pub(super) fn take_permit(&mut self) -> Option<Permit> {
        self.gathered.as_mut()?.permit.take()
    }

    pub(super) fn key(&self) -> Option<&AwaitedKey> {
        self.gathered()?.key.as_ref()
    }

    pub(super) fn take_failed_keys(&mut self) -> Vec<Arc<VerifyingKey>> {
        self.gathered.as_mut().map(|gathered| std::mem::take(&mut gathered.failed)).unwrap_or_default()
    }

    pub(super) fn take_proven(&mut self) -> Option<Box<Proven>> {
        self.gathered.as_mut()?.proven.take()
    }

    pub(super) fn is_proof_shared(&self) -> bool {
        self.gathered().is_some_and(|gathered| gathered.is_proof_shared)
    }

    pub(super) fn waits(&self) -> &[Wait] {
        self.gathered().map_or(&[], |gathered| &gathered.waits)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::WaitedFor;
    use super::*;

    #[test]
    fn discarded_evidence_keeps_only_what_was_waited_for() {
        let waits = [Wait::new(WaitedFor::Key, Duration::from_millis(3))];
        let mut evidence = Evidence::default();
        evidence.begin_wait(&at(10), Duration::from_secs(5));
        evidence.gather().waits.extend(waits);
        evidence.gather().is_proof_shared = true;
        evidence.discard();
        assert_eq!(evidence.waits(), waits);
        assert_eq!(evidence.time_left(&at(12)), Some(Duration::from_secs(3)));
        assert!(!evidence.gather().is_proof_shared);
    }

    #[test]
    fn deadline_is_set_by_the_first_wait_and_moves_only_while_nothing_is_decided() {
        let (five, mut evidence) = (Duration::from_secs(5), Evidence::default());
        evidence.postpone(five);
        assert_eq!(evidence.time_left(&at(0)), None);
        evidence.begin_wait(&at(10), five);
        evidence.begin_wait(&at(14), five);
        assert_eq!(evidence.time_left(&at(14)), Some(Duration::from_secs(1)));
        evidence.postpone(Duration::from_secs(30));
        assert_eq!(evidence.time_left(&at(44)), Some(Duration::from_secs(1)));
        assert_eq!(evidence.time_left(&at(50)), Some(Duration::ZERO));
    }

    fn at(second: u64) -> Now {
        Now::new(Duration::ZERO, Duration::from_secs(second))
    }
}
