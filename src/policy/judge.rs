//! Whether a verified token may do what a route does: a pure function of `(token, request, policy)` and what is known beside.

use std::sync::Arc;

use http::request::Parts;

use super::compiled::{CompiledClause, CompiledPolicy};
use super::live::LiveView;
use super::memory::CheckMemory;
use super::model::Model;
use super::nearest::{DISAGREED, nearness, rejection, settle};
use super::refusal::{Refusal, denied};
use super::scene::{Code, Scene};
use super::scopes::{MOST_SHOWN, found_scopes};
use super::step_up::SignInView;
use crate::decision::DecisionView;
use crate::engine::Stop;
use crate::explain::{StepName, Steps, shown};
use crate::organization::{Organization, RequestSource, Requested};
use crate::permissions::PermissionDrift;
use crate::rejection::{Rejection, RejectionKind, Remediation, WrongOrganization};
use crate::scoped::ScopedId;
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
        let mut nearest: Option<((u8, u8), &CompiledClause, Refusal)> = None;
        for (index, clause) in self.clauses.iter().enumerate() {
            view.steps.clause(&clause.text);
            let refusal = match judge_clause(clause, token, request, view, Code::Runs) {
                Ok(granted) => {
                    view.steps.end_clause(Ok(()));
                    return Ok(Granted { clause: index, ..granted });
                }
                Err(refusal) => refusal,
            };
            if view.steps.is_on() {
                let said = rejection(&refusal, clause, token, &view.sign_in);
                view.steps.end_clause(Err(said.as_ref()));
            }
            let near = match &refusal {
                Refusal::Said(Stop::Reject(denial)) if denial.kind() != RejectionKind::Misconfigured => {
                    nearness(denial.kind(), denial.remediation())
                }
                Refusal::Disagreed => DISAGREED,
                Refusal::SignIn(_) => nearness(RejectionKind::InsufficientUserAuthentication, Remediation::StepUp),
                Refusal::Lacks => nearness(RejectionKind::InsufficientScope, Remediation::RequestScope),
                Refusal::Audience(remediation, _) => nearness(RejectionKind::WrongModel, *remediation),
                Refusal::Issuer | Refusal::Kind => nearness(RejectionKind::Denied, Remediation::None),
                // What is misconfigured, or not known yet, is not for another clause to settle.
                Refusal::Said(_) => return Err(settle(refusal, clause, token, &view.sign_in)),
            };
            if nearest.as_ref().is_none_or(|(other, ..)| near > *other) {
                nearest = Some((near, clause, refusal));
            }
        }
        let denial = nearest.and_then(|(_, clause, refusal)| match settle(refusal, clause, token, &view.sign_in) {
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
) -> Result<Granted, Refusal> {
    let clause = &compiled.clause;
    if let Some(issuer) = &clause.issuer {
        view.steps.at(StepName::Issuer, || issuer.to_string());
        view.steps.found(|| format!("the token is of {}", shown(token.issuer_name())));
        if !issuer.accepts(token) {
            return Err(Refusal::Issuer);
        }
    }
    let mut scene = Scene {
        token,
        request,
        organization: None,
        decisions: &view.decisions,
        memory: view.memory,
        steps: view.steps,
        is_dry: view.is_dry,
        now: view.now,
        resources: resources(clause.model.as_ref(), token),
        model: compiled.model,
        without_decision: false,
    };
    scene.organization = judge_model(compiled, &mut scene)?;
    let (early, late) = clause.conditions.split_at_checked(compiled.early).unwrap_or_default();
    early.iter().try_for_each(|condition| condition.judge(&mut scene))?;
    let drift = judge_scopes(compiled, &mut scene, view.live.as_ref())?;
    let mut late = late.iter().filter(|condition| code == Code::Runs || !condition.runs_code());
    late.try_for_each(|condition| condition.judge(&mut scene))?;
    let Scene { organization, without_decision, .. } = scene;
    view.without_decision = without_decision;
    Ok(Granted { organization, drift, clause: 0 })
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

/// The organization that the request is about, where the model has one.
fn judge_model(compiled: &CompiledClause, scene: &mut Scene<'_, '_>) -> Result<Option<Organization>, Refusal> {
    let token = scene.token;
    let same_organization = |requested, id, source| {
        let same = same_organization(requested, id, source).map(|id| Some(Organization::verified(id)));
        same.map_err(|denial| denial.with_scopes(compiled.clause.required_scopes(), Vec::new()).into())
    };
    match &compiled.clause.model {
        None => Err(Rejection::misconfigured("a clause without a model").into()),
        Some(Model::Authenticated) => Ok(None),
        Some(Model::Resource { indicator, about }) => {
            judge_resource(indicator.as_deref(), scene)?;
            if token.organization_claim().is_some() {
                return Err(Refusal::Audience(
                    Remediation::ResourceToken,
                    "the token is for an organization, the route is for none",
                ));
            }
            let Some(source) = about else { return Ok(None) };
            match requested(source, scene)? {
                Some(id) => Ok(Some(Organization::vouched(ScopedId::new(token.subject().entry(), &id)))),
                None => Err(denied(format!("the request names no organization ({source})")).into()),
            }
        }
        Some(Model::Organization(source)) => {
            let id = token.audience_organization();
            let requested = compare(source, scene, id.map_or("", |organization| &organization.id))?;
            at_audience(scene, || "one organization, and no organization in a claim".to_owned());
            match id {
                Some(id) if token.organization_claim().is_none() => {
                    at_organization(source, scene, Some(&id.id));
                    same_organization(requested, Some(id), source)
                }
                Some(_) => Err(Refusal::Audience(
                    Remediation::OrganizationToken,
                    "an organization token that names an organization in a claim too",
                )),
                None => Err(Refusal::Audience(Remediation::OrganizationToken, "the route needs an organization token")),
            }
        }
        Some(Model::Member { indicator, source, acting_allowed }) => {
            judge_resource(indicator.as_deref(), scene)?;
            let wrong = |cause, remediation, detail: String| {
                let denial = Rejection::wrong_organization(cause, remediation, detail);
                Refusal::from(denial.with_scopes(compiled.clause.required_scopes(), Vec::new()))
            };
            let requested = requested(source, scene)?.ok_or_else(|| {
                let detail = format!("the request names no organization ({source})");
                wrong(WrongOrganization::NotNamed, Remediation::None, detail)
            })?;
            if token.organization_claim().is_some_and(|claimed| *claimed != *requested) {
                let detail = format!("the request's organization ({source}) is not the token's");
                return Err(wrong(WrongOrganization::Other, Remediation::OrganizationToken, detail));
            }
            if !acting_allowed && token.actors().next().is_some() {
                return Err(denied("an actor uses the token, and the policy does not say acting_allowed()").into());
            }
            Ok(Some(Organization::of_member(ScopedId::new(token.subject().entry(), &requested))))
        }
        Some(Model::ResourceInOrganization(indicator, source)) => {
            let claimed = token.organization_claim();
            let requested = compare(source, scene, claimed.unwrap_or_default())?;
            judge_resource(indicator.as_deref(), scene)?;
            at_organization(source, scene, claimed);
            same_organization(requested, token.claimed_organization(), source)
        }
    }
}

/// What the request names.
fn requested(source: &RequestSource, scene: &mut Scene<'_, '_>) -> Result<Option<String>, Rejection> {
    scene.steps.at(StepName::Organization, || format!("an organization in the request ({source})"));
    let requested = source.value(scene.request, scene.memory)?;
    scene.steps.found(|| names(requested.as_deref(), scene.token.organization_claim()));
    Ok(requested)
}

/// What the request names, beside what the token is for. It is read first: what the layer cannot read is the
/// server's fault.
fn compare(source: &RequestSource, scene: &mut Scene<'_, '_>, id: &str) -> Result<Requested, Rejection> {
    scene.steps.at(StepName::Organization, || format!("a request whose organization can be read ({source})"));
    source.compare(scene.request, scene.memory, id)
}

fn at_organization(source: &RequestSource, scene: &mut Scene<'_, '_>, of_token: Option<&str>) {
    if scene.steps.is_on() {
        scene.steps.at(StepName::Organization, || {
            if source.is_any() {
                "an organization of the token".to_owned()
            } else {
                format!("the token's organization to be that of the request ({source})")
            }
        });
        let requested = source.value(scene.request, scene.memory).ok().flatten();
        scene.steps.found(|| names(requested.as_deref(), of_token));
    }
}

fn names(requested: Option<&str>, of_token: Option<&str>) -> String {
    let or_none = |id: Option<&str>| id.map_or_else(|| "none".to_owned(), shown);
    format!("the request names {}, the token is for {}", or_none(requested), or_none(of_token))
}

fn at_audience(scene: &mut Scene<'_, '_>, expected: impl FnOnce() -> String) {
    let token = scene.token;
    scene.steps.at(StepName::Audience, expected);
    scene.steps.found(|| {
        let audience: Vec<String> = token.audience().take(MOST_SHOWN).map(shown).collect();
        let claimed = token.organization_claim().map(|id| format!(", organization claim {}", shown(id)));
        format!("aud [{}]{}", audience.join(" "), claimed.unwrap_or_default())
    });
}

/// The indicator is among the audience and one that the token's issuer may speak for, and no organization stands beside it:
/// the scopes would belong to either.
fn judge_resource(indicator: Option<&str>, scene: &mut Scene<'_, '_>) -> Result<(), Refusal> {
    let token = scene.token;
    let own = token.resources().iter().find(|own| indicator.is_none_or(|indicator| *indicator == ***own));
    at_audience(scene, || {
        let resource = own.map(|own| &**own).or(indicator).map_or_else(|| "a resource".to_owned(), shown);
        format!("{resource}, and no organization beside it")
    });
    let Some(own) = own else {
        return Err(Refusal::Audience(
            Remediation::ResourceToken,
            "the token's issuer does not speak for the resource of the route",
        ));
    };
    if !token.audience().any(|audience| *audience == **own) {
        return Err(Refusal::Audience(Remediation::ResourceToken, "aud does not name the resource of the route"));
    }
    if !token.audience_organizations().is_empty() {
        return Err(Refusal::Audience(Remediation::ResourceToken, "aud names an organization beside the resource"));
    }
    Ok(())
}

fn same_organization<'t>(
    requested: Requested,
    of_token: Option<&'t ScopedId>,
    source: &RequestSource,
) -> Result<&'t ScopedId, Rejection> {
    let of_token = of_token.filter(|organization| !organization.id.is_empty());
    let (cause, detail) = match (requested, of_token) {
        (Requested::Same | Requested::OfToken, Some(organization)) => return Ok(organization),
        (Requested::Unclear, _) => {
            (WrongOrganization::NotNamed, format!("the request names no organization ({source})"))
        }
        (_, None) => (WrongOrganization::NoneInToken, "the token is for no organization".to_owned()),
        _ => (WrongOrganization::Other, format!("the request's organization ({source}) is not the token's")),
    };
    Err(Rejection::wrong_organization(cause, Remediation::OrganizationToken, detail))
}

#[cfg(test)]
mod tests;
