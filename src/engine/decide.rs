//! How a request is decided, top to bottom.

use http::HeaderMap;
use http::request::Parts;

use super::authenticate::{authenticate, judge_changes};
use super::evidence::Evidence;
use super::grant::Grant;
use super::need::Stop;
use super::requirement::Requirement;
use super::state::State;
use crate::decision::DecisionView;
use crate::organization::matched_route;
use crate::policy::{CompiledPolicy, Granted, LiveView, View};
use crate::time::Now;
use crate::token::{AccessToken, bearer};

/// Decides at one instant, as far as the evidence goes.
///
/// What an outer layer granted was for its own policy: neither the checks of this one see it, nor the handler.
pub(super) fn decide(
    requirement: &Requirement,
    request: &mut Parts,
    evidence: &mut Evidence,
    now: &Now,
) -> Result<Grant, Stop> {
    request.extensions.remove::<Grant>();
    let state = requirement.state();
    let Some(credentials) = bearer::find(&mut request.headers, state.max_token_bytes)? else {
        return without_token(requirement, &request.headers);
    };
    let token = authenticate(state, credentials, evidence, now)?;
    let granted = judge_changes(state, &token, now)
        .map_err(Stop::from)
        .and_then(|()| judge(state, requirement.rules(), &token, request, evidence, now));
    match granted {
        Ok(granted) => {
            if let Some(decider) = state.decider.as_ref().filter(|_| granted.without_decision) {
                decider.count_allowed_on_error();
            }
            Ok(Grant::new(requirement, token, granted))
        }
        Err(stop) => {
            evidence.token = Some(token);
            Err(stop)
        }
    }
}

fn without_token(requirement: &Requirement, headers: &HeaderMap) -> Result<Grant, Stop> {
    if requirement.rules().is_optional() {
        return Ok(Grant::anonymous(requirement));
    }
    Err(bearer::missing(headers).into())
}

/// Judges a policy by what is at hand.
fn judge(
    state: &State,
    rules: &CompiledPolicy,
    token: &AccessToken,
    request: &mut Parts,
    evidence: &mut Evidence,
    now: &Now,
) -> Result<Granted, Stop> {
    let issuers = rules.is_live().then(|| state.entries.load());
    let arrival = issuers.as_ref().map(|_| *evidence.arrival.get_or_insert_with(|| state.live.permissions.arrival()));
    let (gathered, memory) = evidence.at_hand();
    let mut view = View {
        live: issuers.as_ref().zip(arrival).map(|(issuers, arrival)| {
            let issuer = issuers.trusted(token.issuer()).map(|(_, issuer)| issuer);
            LiveView {
                permissions: &state.live.permissions,
                conversations: &state.live.conversations,
                source: issuer.and_then(|issuer| issuer.permissions.as_ref()),
                arrival,
                waited: gathered.map_or(&[], |gathered| &gathered.permissions),
                now: *now,
                leeway: issuer.map_or(std::time::Duration::ZERO, |issuer| issuer.rules.leeway),
                lead: issuer.map_or(0.0, |issuer| issuer.clock.lead(issuer.rules.leeway, *now)),
            }
        }),
        decisions: DecisionView {
            decider: state.decider.as_ref(),
            decided: gathered.map_or(&[], |gathered| &gathered.decided),
            route: rules.asks_decisions().then(|| matched_route(request)).flatten(),
        },
        memory,
    };
    rules.judge(token, request, &mut view)
}
