//! Whether a verified token may do what a route does: a pure function of `(token, request, rules)`.

use std::sync::Arc;

use http::request::Parts;

use super::alternative::{IssuerRule, Model};
use super::check::Facts;
use super::claim::{ClaimKind, ClaimValue};
use super::decide_by::{self, DecisionView};
use super::live::LiveView;
use super::refusal::{Refusal, denied, nearness};
use super::rules::{Branch, Rules};
use crate::engine::Stop;
use crate::json::Object;
use crate::organization::{Organization, RequestSource, Requested};
use crate::permissions::PermissionDrift;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::scoped::ScopedId;
use crate::token::AccessToken;

/// What a policy found that was passed.
#[derive(Debug, Default)]
pub(crate) struct Granted {
    pub(crate) organization: Option<Organization>,
    pub(crate) drift: Option<PermissionDrift>,
    /// The decision point could not be reached, and the policy says that this may pass.
    pub(crate) without_decision: bool,
}

/// What there is beside token and request.
pub(crate) struct View<'a> {
    pub(crate) live: Option<LiveView<'a>>,
    pub(crate) decisions: DecisionView<'a>,
}

impl Rules {
    /// What the leftmost passing branch grants, or the denial of the branch that came nearest.
    pub(crate) fn decide(&self, token: &AccessToken, request: &mut Parts, view: &View<'_>) -> Result<Granted, Stop> {
        let mut nearest: Option<((u8, u8), &Branch, Refusal)> = None;
        for branch in &self.branches {
            let refusal = match judge(branch, token, request, view) {
                Ok(granted) => return Ok(granted),
                Err(refusal) => refusal,
            };
            let near = match &refusal {
                Refusal::Said(Stop::Reject(denial)) if denial.kind() != RejectionKind::Misconfigured => {
                    nearness(denial.kind(), denial.remediation())
                }
                Refusal::Disagreed => super::refusal::DISAGREED,
                Refusal::Lacks => nearness(RejectionKind::InsufficientScope, Remediation::RequestScope),
                Refusal::Audience(remediation, _) => nearness(RejectionKind::WrongModel, *remediation),
                Refusal::Issuer | Refusal::Kind => nearness(RejectionKind::Denied, Remediation::None),
                // What is wired wrongly, or not known yet, is not for another branch to settle.
                Refusal::Said(_) => return Err(refusal.settle(branch, token)),
            };
            if nearest.as_ref().is_none_or(|(other, ..)| near > *other) {
                nearest = Some((near, branch, refusal));
            }
        }
        let denial = nearest.and_then(|(_, branch, refusal)| match refusal.settle(branch, token) {
            Stop::Reject(denial) => Some(denial),
            Stop::Need(_) => None,
        });
        let denial = denial.unwrap_or_else(|| Rejection::misconfigured("a policy without a branch"));
        let depends = matches!(denial.kind(), RejectionKind::WrongModel | RejectionKind::WrongOrganization);
        Err(if self.hide_organization && depends { denial.into_hidden() } else { denial }.into())
    }
}

/// One branch: whose token, for what, by whom, with which scopes, and the application's own checks last.
fn judge(branch: &Branch, token: &AccessToken, request: &mut Parts, view: &View<'_>) -> Result<Granted, Refusal> {
    let alternative = &branch.alternative;
    if let Some(IssuerRule::Named(name)) = &alternative.issuer
        && *token.issuer_name() != **name
    {
        return Err(Refusal::Issuer);
    }
    let organization = match &alternative.model {
        None => return Err(Rejection::misconfigured("a branch without a model").into()),
        Some(model) => judge_model(branch, model, token, request)?,
    };
    if alternative.kind.is_some_and(|kind| token.subject().kind() != kind) {
        return Err(Refusal::Kind);
    }
    judge_claims(&alternative.claims, token)?;
    let mut granted = Granted { organization: organization.map(Organization::verified), ..Granted::default() };
    judge_scopes(branch, token, &mut granted, view)?;
    for check in &alternative.checks {
        let facts = Facts { token, organization: granted.organization.as_ref(), request };
        if let Err(reason) = check.run(&facts) {
            let denial = denied(format!("check {:?} failed", check.name));
            return Err(match reason {
                Some(error) => denial.with_source(error),
                None => denial,
            }
            .into());
        }
    }
    granted.without_decision =
        decide_by::judge(alternative, token, granted.organization.as_ref(), request, &view.decisions)?;
    Ok(granted)
}

/// By the token alone, or beside what its subject holds now.
fn judge_scopes(branch: &Branch, token: &AccessToken, granted: &mut Granted, view: &View<'_>) -> Result<(), Refusal> {
    let alternative = &branch.alternative;
    if alternative.live.is_asked() {
        let Some(live) = &view.live else {
            return Err(Rejection::misconfigured("live permissions, and nothing to ask for them").into());
        };
        let drift = super::live::judge(alternative, &branch.text, token, granted.organization.as_ref(), live)?;
        granted.drift = Some(drift);
        return Ok(());
    }
    if alternative.holds(|scope| token.has_scope(scope)) { Ok(()) } else { Err(Refusal::Lacks) }
}

/// The organization that the request is about, where the model has one.
fn judge_model<'t>(
    branch: &Branch,
    model: &Model,
    token: &'t AccessToken,
    request: &mut Parts,
) -> Result<Option<&'t ScopedId>, Refusal> {
    let same_organization = |requested, id, source| {
        let same = same_organization(requested, id, source);
        same.map(Some).map_err(|denial| denial.with_scopes(branch.alternative.required_scopes(), Vec::new()).into())
    };
    match model {
        Model::Authenticated => Ok(None),
        Model::Resource(indicator) => {
            judge_resource(indicator.as_deref(), token)?;
            match token.organization_claim() {
                None => Ok(None),
                Some(_) => Err(Refusal::Audience(
                    Remediation::ResourceToken,
                    "the token is for an organization, the route is for none",
                )),
            }
        }
        Model::Organization(source) => {
            let id = token.audience_organization();
            let requested = source.compare(request, id.map_or("", |organization| &organization.id))?;
            match id {
                Some(id) if token.organization_claim().is_none() => same_organization(requested, Some(id), source),
                Some(_) => Err(Refusal::Audience(
                    Remediation::OrganizationToken,
                    "an organization token that names an organization in a claim too",
                )),
                None => Err(Refusal::Audience(Remediation::OrganizationToken, "the route needs an organization token")),
            }
        }
        Model::ResourceInOrganization(indicator, source) => {
            let requested = source.compare(request, token.organization_claim().unwrap_or_default())?;
            judge_resource(indicator.as_deref(), token)?;
            same_organization(requested, token.claimed_organization(), source)
        }
    }
}

/// The indicator is among the audience and one that the token's issuer may speak for, and no organization stands beside it:
/// the scopes would belong to either.
fn judge_resource(indicator: Option<&str>, token: &AccessToken) -> Result<(), Refusal> {
    let own = token.resources().iter().find(|own| indicator.is_none_or(|indicator| *indicator == ***own));
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
    let detail = match (requested, of_token) {
        (Requested::Same | Requested::OfToken, Some(organization)) => return Ok(organization),
        (Requested::Unclear, _) => format!("the request names no organization ({source})"),
        (_, None) => "the token is for no organization".to_owned(),
        _ => format!("the request's organization ({source}) is not the token's"),
    };
    Err(Rejection::new(RejectionKind::WrongOrganization, Remediation::OrganizationToken, detail))
}

fn judge_claims(claims: &[(Arc<str>, ClaimValue)], token: &AccessToken) -> Result<(), Rejection> {
    if claims.is_empty() {
        return Ok(());
    }
    let payload = token.payload();
    let object = Object::parse(&payload).map_err(|error| denied(error.to_string()))?;
    match claims.iter().find(|(name, value)| !holds(&object, name, value)) {
        None => Ok(()),
        Some((name, _)) => Err(denied(format!("claim {name} has not the required value"))),
    }
}

fn holds(claims: &Object<'_>, name: &str, value: &ClaimValue) -> bool {
    match &value.0 {
        ClaimKind::Text(text) => claims.is_text(name, text),
        ClaimKind::Bool(value) => claims.read::<bool>(name).is_ok_and(|found| found == Some(*value)),
        ClaimKind::Integer(value) => claims.read::<i64>(name).is_ok_and(|found| found == Some(*value)),
    }
}

#[cfg(test)]
mod tests;
