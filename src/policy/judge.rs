//! Whether a verified token may do what a route does: a pure function of `(token, request, policy)` and what is known beside.

mod model;

use std::sync::Arc;

use http::request::Parts;

use self::model::{is_vouched, judge_model};
use super::compiled::{CompiledClause, CompiledPolicy};
use super::live::LiveView;
use super::memory::CheckMemory;
use super::model::Model;
use super::nearest::{DISAGREED, nearness, rejection, settle};
use super::refusal::{Refusal, Refused};
use super::scene::{Code, Scene};
use super::scopes::found_scopes;
use super::step_up::SignInView;
use crate::decision::DecisionView;
use crate::engine::Stop;
use crate::explain::{StepName, Steps, shown};
use crate::organization::Organization;
use crate::permissions::PermissionDrift;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::time::Now;
use crate::token::AccessToken;

/// What a policy found that was passed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Granted {
    pub(crate) organization: Option<Organization>,
    pub(crate) drift: Option<Box<PermissionDrift>>,
    /// The clause that passed: see [`CompiledPolicy::clause_text`].
    pub(crate) clause: usize,
}

/// What there is beside token and request.
pub(crate) struct View<'a> {
    pub(crate) live: Option<LiveView<'a>>,
    pub(crate) decisions: DecisionView<'a>,
    /// What the application's code said about this request before.
    pub(crate) memory: &'a mut CheckMemory,
    /// Takes down each step, where somebody wants to see them.
    pub(crate) steps: &'a mut Steps,
    pub(crate) sign_in: SignInView<'a>,
    pub(crate) now: Now,
    /// Nothing comes of the judgement: it is not counted, and no conversation goes on.
    pub(crate) is_dry: bool,
    /// The decision point could not be reached, and the clause that passed says that this may pass.
    pub(crate) without_decision: bool,
}

impl CompiledPolicy {
    /// What the leftmost passing clause grants, or the rejection of the clause that came nearest.
    pub(crate) fn judge(&self, token: &AccessToken, request: &mut Parts, view: &mut View<'_>) -> Result<Granted, Stop> {
        let mut nearest: Option<((u8, u8), &CompiledClause, Refused)> = None;
        for (index, clause) in self.clauses.iter().enumerate() {
            view.steps.clause(&clause.text);
            let refused = match judge_clause(clause, token, request, view, Code::Runs) {
                Ok(granted) => {
                    view.steps.end_clause(Ok(()));
                    return Ok(Granted { clause: index, ..granted });
                }
                Err(refused) => refused,
            };
            if view.steps.is_on() {
                let said = rejection(&refused.refusal, clause, token, &view.sign_in);
                view.steps.end_clause(Err(said.as_ref()));
            }
            let near = match &refused.refusal {
                Refusal::Said(Stop::Reject(denial)) if denial.kind() != RejectionKind::Misconfigured => {
                    nearness(denial.kind(), denial.remediation())
                }
                Refusal::Disagreed => DISAGREED,
                Refusal::SignIn(_) => nearness(RejectionKind::InsufficientUserAuthentication, Remediation::StepUp),
                Refusal::Lacks => nearness(RejectionKind::InsufficientScope, Remediation::RequestScope),
                Refusal::Audience(remediation, _) => nearness(RejectionKind::WrongModel, *remediation),
                Refusal::Issuer | Refusal::Kind => nearness(RejectionKind::Denied, Remediation::None),
                // What is misconfigured, or not known yet, is not for another clause to settle.
                Refusal::Said(_) => return Err(settle(refused, clause, token, &view.sign_in)),
            };
            if nearest.as_ref().is_none_or(|(other, ..)| near > *other) {
                nearest = Some((near, clause, refused));
            }
        }
        let denial = nearest.and_then(|(_, clause, refused)| match settle(refused, clause, token, &view.sign_in) {
            Stop::Reject(denial) => Some(denial),
            Stop::Need(_) => None,
        });
        let denial = denial.unwrap_or_else(|| Rejection::misconfigured("a policy without a clause"));
        let depends = matches!(denial.kind(), RejectionKind::WrongModel | RejectionKind::WrongOrganization);
        Err(if self.is_hidden() && depends { denial.into_hidden() } else { denial }.into())
    }
}

/// One clause: whose token, for what, by whom, with which scopes; then the application's own checks and decisions.
pub(super) fn judge_clause(
    compiled: &CompiledClause,
    token: &AccessToken,
    request: &mut Parts,
    view: &mut View<'_>,
    code: Code,
) -> Result<Granted, Refused> {
    let clause = &compiled.clause;
    if let Some(issuer) = &clause.issuer {
        view.steps.at(StepName::Issuer, || issuer.to_string());
        view.steps.found(|| format!("the token is of {}", shown(token.issuer_name())));
        if !issuer.accepts(token) {
            return Err(Refused { refusal: Refusal::Issuer, organization: None });
        }
    }
    let mut scene = Scene {
        token,
        request,
        organization: None,
        is_vouched: false,
        decisions: &view.decisions,
        memory: view.memory,
        steps: view.steps,
        is_dry: view.is_dry,
        now: view.now,
        resources: resources(clause.model.as_ref(), token),
        model: compiled.model,
        without_decision: false,
    };
    let judged = judge_scene(compiled, &mut scene, view.live.as_ref(), code);
    let Scene { organization, is_vouched, without_decision, .. } = scene;
    match judged {
        Ok(drift) => {
            view.without_decision = without_decision;
            Ok(Granted { organization, drift, clause: 0 })
        }
        Err(refusal) => Err(Refused { refusal, organization: organization.filter(|_| is_vouched) }),
    }
}

fn judge_scene(
    compiled: &CompiledClause,
    scene: &mut Scene<'_, '_>,
    live: Option<&LiveView<'_>>,
    code: Code,
) -> Result<Option<Box<PermissionDrift>>, Refusal> {
    scene.organization = judge_model(compiled, scene)?;
    scene.is_vouched = scene.organization.as_ref().is_some_and(|organization| is_vouched(organization, scene.token));
    let clause = &compiled.clause;
    let (early, late) = clause.conditions.split_at_checked(compiled.early).unwrap_or_default();
    early.iter().try_for_each(|condition| condition.judge(scene))?;
    let drift = judge_scopes(compiled, scene, live)?;
    let mut late = late.iter().filter(|condition| code == Code::Runs || !condition.runs_code());
    late.try_for_each(|condition| condition.judge(scene))?;
    Ok(drift)
}

/// The indicators that a clause is about: the one that it names, or the issuer's first, which `resource()` means; for other
/// models every one of the issuer's.
fn resources<'t>(model: Option<&'t Model>, token: &'t AccessToken) -> &'t [Arc<str>] {
    let own = token.resources();
    match model {
        Some(Model::Authenticated | Model::Organization(_)) | None => own,
        Some(model) => match model.indicator() {
            Some(indicator) => std::slice::from_ref(indicator),
            None => own.get(..1).unwrap_or_default(),
        },
    }
}

/// By the token alone, or beside what its subject holds now.
fn judge_scopes(
    compiled: &CompiledClause,
    scene: &mut Scene<'_, '_>,
    live: Option<&LiveView<'_>>,
) -> Result<Option<Box<PermissionDrift>>, Refusal> {
    let clause = &compiled.clause;
    if clause.freshness.is_asked() {
        let Some(live) = live else {
            return Err(Rejection::misconfigured("live permissions without a permission source").into());
        };
        return super::live::judge_permissions(compiled, scene, live).map(|drift| Some(Box::new(drift)));
    }
    if !clause.scopes.is_empty() {
        scene.steps.at(StepName::Scopes, || clause.scopes_text());
        scene.steps.found(|| found_scopes(scene.token.scopes()));
    }
    if clause.holds(|scope| scene.token.has_scope(scope)) { Ok(None) } else { Err(Refusal::Lacks) }
}

#[cfg(test)]
mod tests;
