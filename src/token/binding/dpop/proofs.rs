//! The proofs of one server: judged, recorded, and answered with nonces.

use std::borrow::Cow;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::replay::{Asker, Mark, ProofKey, ProofUse, Recorded, ReplayMemory, ReplayStore};
use super::verify::{Presented, ProofError, ProofRules, Proven};
use crate::signature::Algorithm;
use crate::time::Now;

const HEADER: &str = "dpop";

/// What judges the proofs of one server.
pub(crate) struct Proofs {
    rules: ProofRules,
    memory: ReplayMemory,
    shared: Option<SharedMemory>,
    request_id: Option<HeaderName>,
}

/// A memory that replicas share, and how long a request waits for it.
pub(super) struct SharedMemory {
    pub(super) store: Arc<dyn ReplayStore>,
    pub(super) timeout: Duration,
}

/// A proof that this process has recorded, and that the shared memory must still record.
#[derive(Clone, Debug)]
pub(crate) struct Unshared {
    proof: ProofKey,
    mark: Mark,
    used: ProofUse,
}

/// Why a good proof is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unrecorded {
    /// It was used before, or could have been: `invalid_dpop_proof`.
    Replayed(&'static str),
    /// It cannot be recorded now: 503.
    Unavailable(Cow<'static, str>),
}

impl Proofs {
    pub(super) fn new(
        rules: ProofRules,
        memory: ReplayMemory,
        shared: Option<SharedMemory>,
        request_id: Option<HeaderName>,
    ) -> Self {
        Self { rules, memory, shared, request_id }
    }

    /// Keeps proofs out of logs of the headers.
    pub(crate) fn mark_sensitive(headers: &mut HeaderMap) {
        headers.iter_mut().filter(|(name, _)| *name == HEADER).for_each(|(_, value)| value.set_sensitive(true));
    }

    /// The one proof of a request.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none, or more than one.
    pub(crate) fn find(headers: &HeaderMap) -> Result<&str, ProofError> {
        let mut values = headers.get_all(HEADER).iter();
        match (values.next(), values.next()) {
            (Some(proof), None) => proof.to_str().map_err(|_| "the DPoP header is not a JWT".into()),
            (None, _) => Err("there is no DPoP header".into()),
            (Some(_), Some(_)) => Err("more than one DPoP header".into()),
        }
    }

    /// Judges a proof, all but whether it was used before.
    pub(crate) fn verify<P>(
        &self,
        proof: &str,
        presented: &Presented<'_>,
        now: &Now,
        permit: impl FnOnce() -> Option<P>,
    ) -> Result<Proven, ProofError> {
        self.rules.verify(proof, presented, now, permit)
    }

    /// Records a proof for the subject of its token. `Some` if the shared memory must record it as well.
    pub(crate) fn record(
        &self,
        proven: &Proven,
        owner: &impl Hash,
        headers: &HeaderMap,
        now: &Now,
    ) -> Result<Option<Unshared>, Unrecorded> {
        let asker = self.asker(headers);
        let mark = Mark::new(asker.unwrap_or_else(Asker::unknown), now);
        let (proof, expires_at) = (proven.proof, proven.expires_at);
        let unshared = || {
            self.shared.as_ref().map(|_| {
                let used = ProofUse::new(&proof, &mark, expires_at, now);
                Unshared { proof, mark, used }
            })
        };
        recorded(self.memory.record(proof, owner, mark, expires_at, now), &mark).map(|()| unshared())
    }

    /// What [`record`](Self::record) would say. The proof stays unused, and replicas are not asked.
    pub(crate) fn preview(
        &self,
        proven: &Proven,
        owner: &impl Hash,
        headers: &HeaderMap,
        now: &Now,
    ) -> Result<(), Unrecorded> {
        let mark = Mark::new(self.asker(headers).unwrap_or_else(Asker::unknown), now);
        recorded(self.memory.preview(&proven.proof, owner, proven.expires_at, now), &mark)
    }

    /// Records a proof in the shared memory. If that fails, this process forgets it, so that the client can send it again.
    pub(crate) async fn share(&self, unshared: &Unshared) -> Result<(), Unrecorded> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let withdrawal = Withdrawal { memory: &self.memory, unshared };
        let outcome = shared.record(&unshared.used).await;
        let taken = outcome.and_then(|earlier| match earlier {
            None => Ok(()),
            Some(earlier) => match Mark::parse(&earlier) {
                Some(earlier) if unshared.mark.is_same_question(&earlier) => Ok(()),
                _ => Err(Unrecorded::Replayed("the proof was used before, at another replica")),
            },
        });
        // Used anywhere, it stays recorded here.
        if !matches!(taken, Err(Unrecorded::Unavailable(_))) {
            std::mem::forget(withdrawal);
        }
        taken
    }

    fn asker(&self, headers: &HeaderMap) -> Option<Asker> {
        let mut ids = headers.get_all(self.request_id.as_ref()?).iter();
        match (ids.next(), ids.next()) {
            (Some(id), None) => Asker::of(id.as_bytes()),
            _ => None,
        }
    }

    /// The nonce that the next proof should hold, where this server uses nonces.
    pub(crate) fn nonce(&self, now: &Now) -> Option<HeaderValue> {
        HeaderValue::try_from(self.rules.nonces.as_ref()?.current(now)).ok()
    }

    /// The algorithms, as a challenge and the metadata of this server name them.
    pub(crate) fn algorithm_names(&self) -> impl Iterator<Item = &'static str> {
        self.rules.algorithms.iter().flat_map(|&algorithm| {
            let also = (algorithm == Algorithm::EdDsa).then_some("Ed25519");
            [Some(algorithm.as_str()), also].into_iter().flatten()
        })
    }
}

/// What is made of a proof that is recorded.
fn recorded(recorded: Recorded, mark: &Mark) -> Result<(), Unrecorded> {
    match recorded {
        Recorded::First => Ok(()),
        // The first question may have been rejected by the shared memory, so this one asks it, too.
        Recorded::Again(earlier) if mark.is_same_question(&earlier) => Ok(()),
        Recorded::Again(_) => Err(Unrecorded::Replayed("the proof was used before")),
        Recorded::Unknown => {
            Err(Unrecorded::Replayed("the proof is as old as proofs that were forgotten before the clock was set back"))
        }
        Recorded::ShareSpent => {
            Err(Unrecorded::Unavailable("the subject's part of the memory of used proofs is full".into()))
        }
        Recorded::Full => {
            Err(Unrecorded::Unavailable("the memory of used proofs is full: raise replay_capacity".into()))
        }
    }
}

impl SharedMemory {
    async fn record(&self, used: &ProofUse) -> Result<Option<String>, Unrecorded> {
        // Without a tokio runtime there is no timer to wait with.
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Unrecorded::Unavailable(
                "no tokio runtime to wait for the shared memory of used proofs".into(),
            ));
        }
        match tokio::time::timeout(self.timeout, self.store.record(used)).await {
            Ok(outcome) => outcome.map_err(|error| Unrecorded::Unavailable(error.to_string().into())),
            Err(_) => Err(Unrecorded::Unavailable("the shared memory of used proofs did not answer in time".into())),
        }
    }
}

/// Takes the record back when it is dropped: the wait failed, or the client went away meanwhile.
struct Withdrawal<'a> {
    memory: &'a ReplayMemory,
    unshared: &'a Unshared,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        self.memory.withdraw(&self.unshared.proof, &self.unshared.mark);
    }
}

#[cfg(test)]
mod tests;
