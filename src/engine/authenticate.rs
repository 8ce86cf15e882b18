//! From the credentials of a request to a verified token, by what is at hand.

use super::evidence::Evidence;
use super::need::{Need, Question, Stop};
use super::resolve::until_settled;
use super::state::State;
use crate::issuer::TrustedIssuers;
use crate::rejection::Rejection;
use crate::time::Now;
use crate::token::AccessToken;
use crate::token::bearer::Credentials;
use crate::token::verify as jwt;

/// Verifies a token: known from before, by the issuer's answer if it is opaque, or by its signature.
pub(super) fn authenticate(
    state: &State,
    credentials: Credentials<'_>,
    evidence: &mut Evidence,
    now: &Now,
) -> Result<AccessToken, Stop> {
    if let Some(token) = &evidence.token {
        if still_trusted(state, token, *now)? {
            return Ok(token.clone());
        }
        evidence.discard();
    }
    let permit = evidence.take_permit();
    // A key that was waited for must be put to use.
    if evidence.key().is_none()
        && let Some(token) = state.verified.get(credentials.as_bytes(), &state.entries, now)?
    {
        evidence.is_cached = true;
        return Ok(token);
    }
    let issuers = state.entries.load();
    let permit = || permit.or_else(|| state.permits.try_acquire());
    let text = credentials.token()?;
    if let Some(outcome) = introspected(text, &issuers, *now, evidence) {
        return outcome;
    }
    let token = jwt::verify(text, &issuers, *now, evidence.key(), permit)?;
    state.verified.insert(&token);
    Ok(token)
}

/// What the issuer says of an opaque token; `None` for any other token, or if no issuer can be asked.
fn introspected(
    token: &str,
    issuers: &TrustedIssuers,
    now: Now,
    evidence: &Evidence,
) -> Option<Result<AccessToken, Stop>> {
    let issuer = issuers.introspecting().filter(|_| !token.contains('.'))?;
    let introspector = issuer.introspector.as_ref()?;
    let answer = evidence.gathered().and_then(|gathered| gathered.answer.as_ref());
    // What has changed since the issuer was asked is asked again.
    Some(match answer.filter(|answer| answer.is_true(issuer)) {
        Some(answer) => answer.token(issuer, now).map_err(Stop::Reject),
        None => Err(Stop::from(Need::Introspection(Question {
            introspector: introspector.clone(),
            token: token.into(),
            issuer: issuer.clone(),
        }))),
    })
}

/// After a wait: the issuer may be gone, and the token's time over. `false` if the issuer's settings are others now.
pub(super) fn still_trusted(state: &State, token: &AccessToken, now: Now) -> Result<bool, Rejection> {
    let issuers = state.entries.load();
    let Some((_, issuer)) = issuers.trusted(token.issuer()) else {
        return Err(Rejection::invalid_token("the issuer is no longer trusted"));
    };
    if issuer.rules.entry != token.entry() {
        return Ok(false);
    }
    jwt::judge_times(token.times(), issuer.rules.leeway, now)?;
    Ok(true)
}

/// Whether changes at the issuer leave the token valid.
pub(super) fn judge_changes(state: &State, token: &AccessToken, now: &Now) -> Result<(), Rejection> {
    state.changes.judge(token, *now)
}

/// Verifies a token that did not come with a request.
pub(crate) async fn verify(state: &State, token: &str) -> Result<AccessToken, Rejection> {
    let mut evidence = Evidence::default();
    let outcome = until_settled(state, &mut evidence, None, |evidence, now| {
        let credentials = Credentials::of(token, state.max_token_bytes)?;
        let token = authenticate(state, credentials, evidence, now)?;
        judge_changes(state, &token, now)?;
        Ok(token)
    });
    outcome.await
}
