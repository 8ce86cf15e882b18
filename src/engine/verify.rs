//! Tokens that did not come with a request.

use super::decide::{authenticate, judge_changes};
use super::evidence::Evidence;
use super::resolve::until_settled;
use super::sender::judge_without_request;
use super::state::State;
use crate::rejection::Rejection;
use crate::token::AccessToken;
use crate::token::bearer::Credentials;

/// Verifies a token that did not come with a request.
pub(crate) async fn verify(state: &State, token: &str) -> Result<AccessToken, Rejection> {
    let mut evidence = Evidence::default();
    let outcome = until_settled(state, &mut evidence, None, |evidence, now| {
        let credentials = Credentials::of(token, state.max_token_bytes)?;
        let token = authenticate(state, credentials, evidence, now)?;
        judge_changes(state, &token, now)?;
        judge_without_request(token.confirmation())?;
        Ok(token)
    });
    outcome.await
}
