//! Tokens that did not come with a request.

use tracing::Instrument;

use super::decide::authenticate;
use super::evidence::Evidence;
use super::need::Stop;
use super::resolve::until_settled;
use super::sender::judge_without_request;
use super::span;
use super::state::State;
use crate::rejection::Rejection;
use crate::time::Now;
use crate::token::AccessToken;
use crate::token::bearer::Credentials;

/// Verifies a token that did not come with a request.
pub(crate) async fn verify(state: &State, token: &str) -> Result<AccessToken, Rejection> {
    let mut evidence = Evidence::default();
    let decide = |evidence: &mut Evidence, now: &Now| {
        let credentials = Credentials::of(token, state.max_token_bytes)?;
        let token = authenticate(state, credentials, evidence, now)?;
        state.changes.judge(&token, *now)?;
        judge_without_request(token.confirmation())?;
        Ok(token)
    };
    let need = match decide(&mut evidence, &state.clock.now()) {
        Ok(token) => return Ok(token),
        Err(Stop::Reject(rejection)) => return Err(rejection),
        Err(Stop::Need(need)) => need,
    };
    let span = span::verifying();
    let outcome = until_settled(state, &mut evidence, Some(need), decide).instrument(span.clone()).await;
    span::conclude(&span, outcome.as_ref().err());
    outcome
}
