//! What is known about a request so far, and what is still to be waited for.

use std::sync::Arc;
use std::time::Duration;

use super::need::{Need, Question};
use super::permits::Permit;
use super::state::State;
use crate::permissions::Epoch;
use crate::policy::{Decided, WantedDecision};
use crate::policy::{Waited, WantedPermissions};
use crate::rejection::Rejection;
use crate::token::AccessToken;
use crate::token::introspect::Answer;
use crate::token::verify::AwaitedKey;

/// A request is decided in one go from what is at hand. Where that is not enough, what is missing is waited for, put in
/// here, and the decision is made again.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) token: Option<AccessToken>,
    pub(crate) key: Option<AwaitedKey>,
    pub(crate) permit: Option<Permit>,
    /// When the request arrived, in the order of fetches.
    pub(crate) arrival: Option<Epoch>,
    pub(crate) permissions: Vec<Waited>,
    pub(crate) decided: Vec<Decided>,
    /// What the issuer says of an opaque token.
    pub(crate) answer: Option<Arc<Answer>>,
}

pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Known {
    /// Waits for what is missing. Every wait has a limit of its own.
    pub(crate) async fn gather(&mut self, need: Need, state: &State) -> Result<(), Rejection> {
        match need {
            Need::Key(_) if self.key.is_some() => {
                let detail = "the issuer was replaced while its key was fetched";
                return Err(Rejection::unavailable(RETRY_AFTER, detail));
            }
            Need::Key(missing) => {
                let arrival = Some(missing.arrival);
                let outcome = missing.issuer.keys.resolve(missing.kid.as_deref(), missing.algorithm, arrival).await;
                self.key = Some(missing.awaited(outcome)?);
            }
            Need::Permit => self.permit = Some(state.permits.acquire().await?),
            Need::Introspection(Question { introspector, token, issuer }) => {
                self.answer = Some(introspector.ask(&token, &issuer).await);
            }
            Need::Permissions(wanted) => {
                let WantedPermissions { source, query, need } = *wanted;
                let outcome = state.live.permissions.resolve(&source, &query, need).await;
                self.permissions.push(Waited { query, outcome });
            }
            Need::Decision(wanted) => {
                let WantedDecision { decider, request, times } = *wanted;
                let outcome = decider.decide_in_time(&request, times).await;
                self.decided.push(Decided { request, outcome });
            }
        }
        Ok(())
    }
}
