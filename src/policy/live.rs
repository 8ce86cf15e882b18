//! Whether a token's scopes are still true: the token beside what its subject holds now.

mod without_answer;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use self::without_answer::without_answer;
use super::clause::Clause;
use super::compiled::CompiledClause;
use super::freshness::Freshness as FreshnessRule;
use super::model::Model;
use super::refusal::{Refusal, denied, missing_scopes};
use super::scene::Scene;
use super::scopes::found_scopes;
use crate::change::Changes;
use crate::change::Epoch;
use crate::engine::{Need, Stop};
use crate::explain::StepName;
use crate::organization::Organization;
use crate::permissions::{
    Answer, Authority, Conversations, Difference, Freshness, LivePermissions, Moment, PermissionDrift, PermissionModel,
    PermissionQuery, Permissions, Presented, Source, Topic, Waited, WantedPermissions,
};
use crate::rejection::{Rejection, RejectionKind, Remediation, WrongOrganization};
use crate::time::Now;
use crate::token::{AccessToken, NumericDate};

/// What is at hand to judge by.
pub(crate) struct LiveView<'a> {
    pub(crate) permissions: &'a Arc<LivePermissions>,
    pub(crate) conversations: &'a Conversations,
    /// Of the token's issuer entry.
    pub(crate) source: Option<&'a Source>,
    /// When the request arrived.
    pub(crate) arrival: Epoch,
    /// What has been waited for.
    pub(crate) waited: &'a [Waited],
    /// Whether what is known still serves after the source failed: not where it was asked to know anew, as for a lease.
    pub(crate) serves_known: bool,
    pub(crate) now: Now,
    pub(crate) leeway: Duration,
    /// At least how far the issuer's clock is ahead of ours, in seconds.
    pub(crate) lead: f64,
    /// What the token was not yet judged by: changes of the request's organization.
    pub(crate) changes: Option<&'a Changes>,
}

impl FreshnessRule {
    fn need(&self, arrival: Epoch) -> Freshness {
        match self.max_age {
            Some(age) if !self.now => Freshness::Within(age, arrival),
            _ => Freshness::After(arrival),
        }
    }

    /// From this age on, a new snapshot is fetched behind the one that serves: 80 % of its lifetime, ±10 %, so that not all
    /// are fetched at once.
    fn soft(&self, query: &PermissionQuery) -> Option<Duration> {
        let spread =
            f64::from(query.subject_id().bytes().fold(7_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)));
        self.max_age.filter(|_| !self.now).map(|age| age.mul_f64(0.7 + 0.2 * spread / 255.0))
    }
}

/// Judges one clause whose other conditions hold.
pub(super) fn judge_permissions(
    compiled: &CompiledClause,
    scene: &mut Scene<'_, '_>,
    view: &LiveView<'_>,
) -> Result<PermissionDrift, Refusal> {
    let (clause, requirement, token) = (&compiled.clause, &compiled.text, scene.token);
    scene.steps.at(StepName::Permissions, || expected(clause));
    scene.steps.found(|| format!("the token has {}", found_scopes(token.scopes())));
    let Scene { organization, is_vouched, steps, is_dry, .. } = scene;
    let (organization, is_dry) = (organization.as_ref(), *is_dry);
    let Some(source) = view.source else {
        let name = token.issuer_name();
        return Err(Rejection::misconfigured(format!(
            "issuer {name} has no source of live permissions: expected one, such as the Logto Management API"
        ))
        .into());
    };
    let query = PermissionQuery::new(token.subject(), permission_model(clause, token, organization)?);
    let rule = &clause.freshness;
    let wanted = |need| {
        let wanted = WantedPermissions { source: source.clone(), query: query.clone(), need };
        Err(Stop::from(Need::Permissions(Box::new(wanted))).into())
    };
    let need = rule.need(view.arrival);
    let waited = view.waited.iter().rev().find(|waited| waited.query == query).map(|waited| &waited.outcome);
    // It may be the error of another clause, that asks for more than is known.
    let failed = waited.and_then(|outcome| outcome.as_ref().err());
    let snapshot = match (waited, failed) {
        // Another clause, that asks for less, may have waited for it.
        (Some(Ok(snapshot)), _) if view.permissions.serves(source, &query, snapshot, need) => snapshot.clone(),
        (_, Some(error)) => match view.permissions.known(source, &query, need, None) {
            Some(snapshot) if view.serves_known => snapshot,
            _ => return without_answer(clause, scene, view, source, &query, error),
        },
        _ => match view.permissions.known(source, &query, need, rule.soft(&query)) {
            Some(snapshot) => snapshot,
            None => return wanted(need),
        },
    };
    let (held, member_of) = held_where(clause, &snapshot.permissions, organization);
    let held = &*held;
    steps.found(|| {
        let held = if held.may_act() { found_scopes(held.scopes()) } else { "nothing: it may not act".to_owned() };
        format!("the token has {}, the subject holds {held}", found_scopes(token.scopes()))
    });
    *is_vouched |= held.may_act();
    // Only members learn that the organization was deleted, or its tokens revoked.
    if let (Some(id), true, Some(changes)) = (member_of, held.may_act(), view.changes) {
        changes.judge_in(token, id, view.now)?;
    }
    let topic = Topic {
        authority: Authority::Source(source.id),
        subject: token.subject().shared_id(),
        client: token.client_id(),
        organization: query.organization_id().or(member_of),
        requirement,
        advice: None,
    };
    if passes(clause, token, held) {
        if !is_dry {
            view.conversations.see(&topic, true);
        }
        return Ok(PermissionDrift::between(token, held));
    }
    let issued_at = token.times().issued_at.map(NumericDate::seconds);
    if !snapshot.may_deny(view.arrival, settled(issued_at, view.leeway)) {
        return match failed {
            Some(error) => without_answer(clause, scene, view, source, &query, error),
            None => wanted(Freshness::After(view.arrival)),
        };
    }
    let in_token = clause.holds(|scope| token.has_scope(scope));
    // No new token of a client that cannot ask for the organization would say anything else.
    if member_of.is_some() && snapshot.permissions.may_act() && token.organization_claim().is_none() {
        if !held.may_act() {
            let detail = "the subject is not a member of the request's organization, or not through this client";
            let denial = Rejection::wrong_organization(WrongOrganization::Other, Remediation::None, detail);
            return Err(denial.with_scopes(clause.required_scopes(), Vec::new()).into());
        }
        if in_token {
            return Err(
                denied("the subject does not hold the scopes of the token in the request's organization").into()
            );
        }
    }
    let in_source = held.may_act() && clause.holds(|scope| held.holds(scope));
    let difference = match (in_token, in_source) {
        (true, _) => Difference::Lost,
        (false, true) => {
            let in_organization = matches!(query.model(), PermissionModel::Organization { .. });
            Difference::gained(query.subject_kind(), in_organization)
        }
        (false, false) => {
            if !is_dry {
                view.conversations.see(&topic, in_source);
            }
            return Err(lacks(clause, token, Remediation::None, "neither the token nor its subject holds it").into());
        }
    };
    let presented = Presented { digest: token.digest(), issued_at, expires_at: token.times().expires_at.seconds() };
    let moment = Moment { now: view.now, lead: view.lead };
    if is_dry {
        let answer = view.conversations.preview(&topic, presented, difference, in_source, moment);
        return Err(refusal(clause, token, difference, answer.step));
    }
    let answer = view.conversations.answer(&topic, presented, difference, in_source, moment);
    advise(&topic, token.issuer_name(), difference, answer);
    Err(refusal(clause, token, difference, answer.step))
}

fn expected(clause: &Clause) -> String {
    let scopes = if clause.scopes.is_empty() { "no scope".to_owned() } else { clause.scopes_text() };
    format!("{scopes}, of the token and held now ({})", clause.freshness)
}

/// What the subject holds where the request is about, and that organization, if it is one of its memberships.
fn held_where<'p, 'o>(
    clause: &Clause,
    permissions: &'p Permissions,
    organization: Option<&'o Organization>,
) -> (Cow<'p, Permissions>, Option<&'o str>) {
    match (&clause.model, organization) {
        (Some(Model::Member { .. }), Some(organization)) => {
            (Cow::Owned(permissions.in_organization(organization.id())), Some(organization.id()))
        }
        _ => (Cow::Borrowed(permissions), None),
    }
}

/// By then the issuer had issued the token, whatever its clock: `iat` is cut to whole seconds.
fn settled(issued_at: Option<f64>, leeway: Duration) -> Option<Duration> {
    let issued_at = Duration::try_from_secs_f64(issued_at?.max(0.0)).ok()?;
    issued_at.checked_add(leeway + Duration::from_secs(1))
}

/// It must hold for what the token and the source have in common.
fn passes(clause: &Clause, token: &AccessToken, held: &Permissions) -> bool {
    held.may_act() && clause.holds(|scope| token.has_scope(scope) && held.holds(scope))
}

pub(super) fn permission_model(
    clause: &Clause,
    token: &AccessToken,
    organization: Option<&Organization>,
) -> Result<PermissionModel, Rejection> {
    let indicator = |named: &Option<Arc<str>>| named.clone().or_else(|| token.resources().first().cloned());
    let organization = organization.map(|organization| organization.shared_id().clone());
    let model = match &clause.model {
        Some(Model::Resource { indicator: named, .. }) => {
            indicator(named).map(|indicator| PermissionModel::Resource { indicator })
        }
        Some(Model::Organization(_)) => organization.map(|organization| PermissionModel::Organization { organization }),
        Some(Model::ResourceInOrganization(named, _)) => indicator(named)
            .zip(organization)
            .map(|(indicator, organization)| PermissionModel::ResourceInOrganization { indicator, organization }),
        Some(Model::Member { indicator: named, .. }) => {
            indicator(named).map(|indicator| PermissionModel::memberships(indicator, token.client_id()))
        }
        Some(Model::Authenticated) | None => None,
    };
    model.ok_or_else(|| Rejection::misconfigured("live permissions of a clause that does not say what they are for"))
}

fn refusal(clause: &Clause, token: &AccessToken, difference: Difference, step: Remediation) -> Refusal {
    match (difference, step) {
        (Difference::Lost, Remediation::Refresh) => {
            let detail = "the subject no longer holds what the token states";
            Rejection::new(RejectionKind::OutdatedToken, step, detail).into()
        }
        (Difference::Lost, _) => Refusal::Disagreed,
        _ => lacks(clause, token, step, "the subject holds what the token lacks").into(),
    }
}

/// Where a client cannot go on by itself, the log says once what a person should do.
fn advise(topic: &Topic<'_>, issuer: &str, difference: Difference, answer: Answer) {
    let advice = match (answer.left, answer.step, difference) {
        (Some(Remediation::Refresh), Remediation::None, Difference::Lost) => {
            let Topic { client, organization, requirement, .. } = *topic;
            tracing::error!(
                target: "orgate", issuer, client, organization, requirement = &**requirement,
                "issuer and permission source disagree: new tokens still have what the source denies; check that the source asks the tenant that issues these tokens"
            );
            return;
        }
        (Some(_), Remediation::None, Difference::GainedByMachine) => {
            "the client does not ask for the scope that it holds: add it to the scope of its token requests"
        }
        (Some(_), Remediation::None, Difference::GainedForApi | Difference::GainedInOrganization) => {
            "the client does not ask for the scope that its user holds: add it to the scopes that it requests at sign-in"
        }
        _ => return,
    };
    let Topic { client, organization, requirement, .. } = *topic;
    tracing::warn!(target: "orgate", issuer, client, organization, requirement = &**requirement, "{advice}");
}

fn lacks(clause: &Clause, token: &AccessToken, step: Remediation, detail: &'static str) -> Rejection {
    let rejection = Rejection::new(RejectionKind::InsufficientScope, step, detail);
    rejection.with_scopes(clause.required_scopes(), missing_scopes(&clause.scopes, token))
}

#[cfg(test)]
mod tests;
