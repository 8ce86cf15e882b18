//! How a request is decided, top to bottom.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;

use super::evidence::{Evidence, Reached};
use super::expected::{expected_credentials, expected_sender};
use super::grant::Grant;
use super::need::{Need, Question, Stop};
use super::requirement::Requirement;
use super::sender::{Confirmed, Sender, confirm, judge_sent_apart, record};
use super::state::State;
use crate::change::Epoch;
use crate::decision::DecisionView;
use crate::explain::{StepName, shown};
use crate::issuer::{TrustedIssuer, TrustedIssuers};
use crate::organization::matched_route;
use crate::permissions::Waited;
use crate::policy::{CompiledPolicy, Granted, LiveView, SignInView, View};
use crate::rejection::Rejection;
use crate::time::Now;
use crate::token::bearer::{Credentials, Scheme};
use crate::token::verify as jwt;
use crate::token::{AccessToken, bearer};

/// Decides at one instant, as far as the evidence goes.
///
/// What an outer layer granted was for its own policy: neither the checks of this one see it, nor the handler. Where something
/// is missing it is put back, since the next decision looks at it again: a proof that was accepted once is accepted here.
pub(super) fn decide(
    requirement: &Requirement,
    request: &mut Parts,
    evidence: &mut Evidence,
    now: &Now,
) -> Result<Grant, Stop> {
    evidence.reached = Reached::Token;
    evidence.steps.restart();
    let outer = request.extensions.remove::<Grant>();
    let outcome = decide_inside(requirement, outer.as_ref(), request, evidence, now);
    if let (Err(Stop::Need(_)), Some(outer)) = (&outcome, outer) {
        request.extensions.insert(outer);
    }
    outcome
}

fn decide_inside(
    requirement: &Requirement,
    outer: Option<&Grant>,
    request: &mut Parts,
    evidence: &mut Evidence,
    now: &Now,
) -> Result<Grant, Stop> {
    let state = requirement.state();
    let takes_proofs = state.bindings.proofs.is_some();
    evidence.steps.at(StepName::Credentials, || {
        expected_credentials(state.max_token_bytes, takes_proofs, requirement.browser_tokens().is_some())
    });
    let apart = sent_apart(requirement, request, evidence)?;
    let found = match &apart {
        Some(token) => Some(Credentials::of(token, state.max_token_bytes)?),
        None => bearer::find(&mut request.headers, state.max_token_bytes, takes_proofs)?,
    };
    let Some(credentials) = found else {
        return without_token(requirement, &request.headers, evidence);
    };
    let scheme = credentials.scheme();
    evidence.steps.found(|| format!("{scheme:?} and {} bytes", credentials.as_bytes().len()));
    let token = authenticate(state, credentials, evidence, now)?;
    let is_dry = evidence.is_explained() || requirement.rules().is_shadow_only();
    match authorize(requirement, outer, (scheme, &token), request, evidence, now, is_dry) {
        Ok((granted, sender)) => {
            if let Some(decider) = state.decider.as_ref().filter(|_| evidence.without_decision && !is_dry) {
                decider.count_allowed_on_error();
            }
            Ok(Grant::new(requirement, token, granted, sender, apart))
        }
        Err(stop) => {
            evidence.token = Some(token);
            Err(stop)
        }
    }
}

/// The token that is not in `Authorization`. It leaves the request the first time, so that nothing behind sees it.
fn sent_apart(
    requirement: &Requirement,
    request: &mut Parts,
    evidence: &mut Evidence,
) -> Result<Option<Arc<str>>, Rejection> {
    if let Some(tokens) = requirement.browser_tokens().filter(|_| evidence.sent_apart.is_none()) {
        evidence.sent_apart = tokens.take(request, evidence.is_explained())?;
    }
    Ok(evidence.sent_apart.clone())
}

/// Whether a verified token still counts, its sender is confirmed and the policy is met. A proof is recorded last.
fn authorize(
    requirement: &Requirement,
    outer: Option<&Grant>,
    (scheme, token): (Scheme, &AccessToken),
    request: &mut Parts,
    evidence: &mut Evidence,
    now: &Now,
    is_dry: bool,
) -> Result<(Granted, Sender), Stop> {
    let state = requirement.state();
    evidence.steps.at(StepName::Revocation, || "no change at the issuer that ends the token".to_owned());
    state.changes.judge(token, *now)?;
    evidence.steps.at(StepName::Sender, || expected_sender(token));
    if evidence.sent_apart.is_some() {
        judge_sent_apart(token.confirmation())?;
    }
    let outer = outer.and_then(|outer| outer.sender_of(state, token));
    let confirmed = confirm((&state.bindings, &state.permits), (scheme, token), outer, request, evidence, now)?;
    evidence.reached = Reached::Policy;
    let rules = requirement.rules();
    let outcome = judge_policy(state, rules, token, request, evidence, now, is_dry).and_then(|granted| {
        evidence.reached = Reached::Proof;
        Ok((granted, record(&state.bindings, &confirmed, token.subject(), request, evidence, now)?))
    });
    if let (Err(Stop::Need(_)), Confirmed::ByProof(proven)) = (&outcome, confirmed) {
        evidence.gather().proven = Some(proven);
    }
    outcome
}

fn without_token(requirement: &Requirement, headers: &HeaderMap, evidence: &mut Evidence) -> Result<Grant, Stop> {
    if requirement.rules().is_optional() {
        evidence.steps.found(|| "no token, and the policy is optional".to_owned());
        return Ok(Grant::anonymous(requirement));
    }
    Err(bearer::missing(headers).into())
}

/// What a request gets that passes because nothing is enforced: neither token nor organization.
pub(super) fn let_pass(requirement: &Requirement) -> Grant {
    Grant::anonymous(requirement)
}

/// Verifies a token: known from before, by the issuer's answer if it is opaque, or by its signature.
pub(super) fn authenticate(
    state: &State,
    credentials: Credentials<'_>,
    evidence: &mut Evidence,
    now: &Now,
) -> Result<AccessToken, Stop> {
    // An explanation shows how a token is verified: it is verified each time.
    let is_explained = evidence.is_explained();
    if let Some(token) = evidence.token.as_ref().filter(|_| !is_explained) {
        if still_trusted(state, token, *now)? && has_its_key(state, token, now).is_ok_and(|has| has) {
            return Ok(token.clone());
        }
        evidence.discard();
    }
    let mut permit = evidence.take_permit();
    // A key that was waited for must be put to use.
    if evidence.key().is_none()
        && !is_explained
        && let Some(token) = state.verified.get(credentials.as_bytes(), &state.entries, now)?
    {
        evidence.is_cached = true;
        return Ok(token);
    }
    let issuers = state.entries.load();
    let text = credentials.token()?;
    if let Some(outcome) = introspected(text, &issuers, *now, evidence) {
        evidence.is_checked = true;
        return outcome;
    }
    let mut is_checked = false;
    let permit = || {
        is_checked = true;
        permit.take().or_else(|| state.permits.try_acquire())
    };
    let (mut failed, mut steps) = (evidence.take_failed_keys(), std::mem::take(&mut evidence.steps));
    let search = jwt::Search { awaited: evidence.key(), failed: &mut failed, steps: &mut steps };
    let verified = jwt::verify(text, &issuers, *now, search, permit);
    evidence.is_checked |= is_checked;
    evidence.steps = steps;
    if !failed.is_empty() {
        evidence.gather().failed = failed;
    }
    let token = verified?;
    if !is_explained {
        state.verified.insert(&token);
    }
    Ok(token)
}

/// What the issuer says of an opaque token; `None` for any other token, or if no issuer can be asked.
fn introspected(
    token: &str,
    issuers: &TrustedIssuers,
    now: Now,
    evidence: &mut Evidence,
) -> Option<Result<AccessToken, Stop>> {
    let issuer = issuers.introspecting().filter(|_| !token.contains('.'))?;
    let introspector = issuer.introspector.as_ref()?;
    evidence.steps.at(StepName::Introspection, || {
        format!("the issuer {} states that the opaque token is active and valid here", shown(&issuer.rules.name))
    });
    let answer = evidence.gathered().and_then(|gathered| gathered.answer.as_ref());
    // What has changed since the issuer was asked is asked again.
    if let Some(answer) = answer.filter(|answer| answer.is_true(issuer)) {
        return Some(answer.token(issuer, now).map_err(Stop::Reject));
    }
    let question = Question { introspector: introspector.clone(), token: token.into(), issuer: issuer.clone() };
    Some(Err(Need::Introspection(Box::new(question)).into()))
}

/// After a wait: the issuer may be gone, and the token's time over. `false` if the issuer's settings are others now.
pub(super) fn still_trusted(state: &State, token: &AccessToken, now: Now) -> Result<bool, Rejection> {
    let issuers = state.entries.load();
    let Some((_, issuer)) = issuers.trusted(token.issuer()) else {
        return Err(Rejection::invalid_token("the issuer is no longer trusted"));
    };
    jwt::judge_times(token.times(), issuer.rules.leeway, now)?;
    Ok(issuer.rules.entry == token.entry())
}

/// Whether the issuer has the key that the token was verified with. An opaque token has none.
pub(super) fn has_its_key(state: &State, token: &AccessToken, now: &Now) -> Result<bool, Stop> {
    Ok(token.jws().is_none() || jwt::stands(token, &state.entries, state.verified.generation(), now)?)
}

/// Judges a policy by what is at hand. `is_dry`: nothing comes of it, and it is not counted.
pub(super) fn judge_policy(
    state: &State,
    rules: &CompiledPolicy,
    token: &AccessToken,
    request: &mut Parts,
    evidence: &mut Evidence,
    now: &Now,
    is_dry: bool,
) -> Result<Granted, Stop> {
    let judge = |request: &mut Parts, view: &mut View<'_>| rules.judge(token, request, view);
    viewed((state, rules, token), request, evidence, now, is_dry, judge)
}

/// Judges by what a policy may see of what is at hand.
#[inline]
pub(super) fn viewed<T>(
    (state, rules, token): (&State, &CompiledPolicy, &AccessToken),
    request: &mut Parts,
    evidence: &mut Evidence,
    now: &Now,
    is_dry: bool,
    judge: impl FnOnce(&mut Parts, &mut View<'_>) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let issuers = rules.is_live().then(|| state.entries.load());
    let arrival = issuers.as_ref().map(|_| *evidence.arrival.get_or_insert_with(|| state.live.permissions.arrival()));
    let lead = || state.lead(token, now);
    let (gathered, memory, steps) = evidence.at_hand();
    let waited = gathered.map_or(&[][..], |gathered| &gathered.permissions);
    let mut view = View {
        live: issuers.as_ref().zip(arrival).map(|(issuers, arrival)| {
            let issuer = issuers.trusted(token.issuer()).map(|(_, issuer)| issuer);
            live_view(state, issuer, arrival, waited, *now)
        }),
        decisions: DecisionView {
            decider: state.decider.as_ref(),
            decided: gathered.map_or(&[], |gathered| &gathered.decided),
            route: rules.asks_decisions().then(|| matched_route(request)).flatten(),
        },
        sign_in: SignInView { conversations: &state.live.conversations, now: *now, lead: &lead, is_dry },
        now: *now,
        memory,
        steps,
        is_dry,
        without_decision: false,
    };
    let outcome = judge(request, &mut view);
    evidence.without_decision = view.without_decision;
    outcome
}

/// What the subject of a token holds now, as far as it is known.
pub(super) fn live_view<'a>(
    state: &'a State,
    issuer: Option<&'a Arc<TrustedIssuer>>,
    arrival: Epoch,
    waited: &'a [Waited],
    now: Now,
) -> LiveView<'a> {
    LiveView {
        permissions: &state.live.permissions,
        conversations: &state.live.conversations,
        source: issuer.and_then(|issuer| issuer.permissions.as_ref()),
        arrival,
        waited,
        serves_known: true,
        now,
        leeway: issuer.map_or(Duration::ZERO, |issuer| issuer.rules.leeway),
        changes: Some(&state.changes),
        lead: issuer.map_or(0.0, |issuer| issuer.clock.lead(issuer.rules.leeway, now)),
    }
}

/// What a verified token is granted in place of another one, whose sender it has.
pub(super) fn grant_anew(
    requirement: &Requirement,
    (token, text): (AccessToken, &str),
    before: &Grant,
    request: &mut Parts,
    evidence: &mut Evidence,
    now: &Now,
) -> Result<Grant, Stop> {
    let state = requirement.state();
    state.changes.judge(&token, *now)?;
    let granted = judge_policy(state, requirement.rules(), &token, request, evidence, now, false)?;
    Ok(Grant::new(requirement, token, granted, before.sender().clone(), Some(text.into())))
}
