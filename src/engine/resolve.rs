//! Obtains what a decision lacks. The one loop that waits.

use std::time::Duration;

use tracing::Instrument;

use super::evidence::Evidence;
use super::need::{Need, Question, Stop};
use super::record::{Wait, WaitedFor};
use super::sender::unrecorded;
use super::span;
use super::state::State;
use crate::permissions::{Waited, WantedPermissions};
use crate::rejection::Rejection;
use crate::time::Now;
use crate::trace::carry;

/// More waits than any request needs.
const MOST_WAITS: usize = 16;

/// When to try again, where nothing says otherwise.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Decides until the outcome is settled, by the deadline of a request.
pub(super) async fn until_settled<T>(
    state: &State,
    evidence: &mut Evidence,
    need: Option<Need>,
    decide: impl FnMut(&mut Evidence, &Now) -> Result<T, Stop>,
) -> Result<T, Rejection> {
    settle_within(state, state.max_wait, evidence, need, decide).await
}

/// Decides until the outcome is settled. `need` is what the first decision lacked, if it was made already.
///
/// Each wait has a limit of its own, their number is bounded, and all of them together end at this limit and at the deadline of
/// the request, which is kept with the evidence: 503, whatever the policy says about errors.
pub(super) async fn settle_within<T>(
    state: &State,
    limit: Duration,
    evidence: &mut Evidence,
    mut need: Option<Need>,
    mut decide: impl FnMut(&mut Evidence, &Now) -> Result<T, Stop>,
) -> Result<T, Rejection> {
    let left = evidence.time_left(&state.clock.now()).filter(|left| *left < limit);
    let settling = async {
        for _ in 0..=MOST_WAITS {
            if let Some(need) = need.take() {
                obtain(state, evidence, need).await?;
            }
            match decide(evidence, &state.clock.now()) {
                Ok(settled) => return Ok(settled),
                Err(Stop::Reject(rejection)) => return Err(rejection),
                Err(Stop::Need(more)) => need = Some(more),
            }
        }
        Err(Rejection::unavailable(RETRY_AFTER, "what the decision rests on kept changing; gave up"))
    };
    // Without a tokio runtime there is no timer, and nothing that waits longer than its own limit.
    if tokio::runtime::Handle::try_current().is_err() {
        return settling.await;
    }
    let late = || {
        let limit = if left.is_some() { state.max_wait } else { limit };
        Rejection::unavailable(RETRY_AFTER, format!("not decided within {limit:?}"))
    };
    tokio::time::timeout(left.unwrap_or(limit), settling).await.unwrap_or_else(|_| Err(late()))
}

/// Waits for what is missing, and notes how long that took.
async fn obtain(state: &State, evidence: &mut Evidence, need: Need) -> Result<(), Rejection> {
    let what = WaitedFor::of(&need);
    let span = span::waiting(&need);
    let context = span.in_scope(|| state.trace.context());
    let began = state.clock.now();
    evidence.begin_wait(&began, state.max_wait);
    let outcome = carry(context, fetch(state, evidence, need)).instrument(span).await;
    let took = state.clock.now().monotonic.saturating_sub(began.monotonic);
    evidence.gather().waits.push(Wait::new(what, took));
    outcome
}

async fn fetch(state: &State, evidence: &mut Evidence, need: Need) -> Result<(), Rejection> {
    match need {
        Need::Key(_) if evidence.key().is_some() => {
            let detail = "the issuer or its keys were replaced while a key was fetched";
            return Err(Rejection::unavailable(RETRY_AFTER, detail));
        }
        Need::Key(missing) => {
            let outcome = missing.issuer.keys.resolve(missing.sought(), Some(missing.arrival)).await;
            evidence.gather().key = Some(missing.awaited(outcome)?);
        }
        Need::Permit => {
            let permit = state.permits.acquire().await;
            evidence.gather().permit = Some(permit.inspect_err(|_| state.meter.note(|to| to.verification_refused()))?);
        }
        Need::Introspection(question) => {
            let Question { introspector, token, issuer } = *question;
            evidence.gather().answer = Some(introspector.ask(&token, &issuer).await);
        }
        Need::Permissions(wanted) => {
            let WantedPermissions { source, query, need } = *wanted;
            let outcome = state.live.permissions.resolve(&source, &query, need).await;
            evidence.gather().permissions.push(Waited { query, outcome });
        }
        Need::Decisions(wanted) => evidence.gather().decided.extend(wanted.ask().await),
        Need::Proof(unshared) => {
            let Some(proofs) = &state.bindings.proofs else { return Ok(()) };
            proofs.share(&unshared).await.map_err(unrecorded)?;
            evidence.gather().is_proof_shared = true;
        }
    }
    Ok(())
}
