//! Whether a token is for what a clause is about, and for the organization of the request.

use super::super::compiled::CompiledClause;
use super::super::model::Model;
use super::super::refusal::{Refusal, denied};
use super::super::scene::Scene;
use super::super::scopes::MOST_SHOWN;
use crate::explain::{StepName, shown};
use crate::organization::{Organization, OrganizationProvenance, RequestSource, Requested};
use crate::rejection::{Rejection, Remediation, WrongOrganization};
use crate::scoped::ScopedId;
use crate::token::AccessToken;

/// The organization that the request is about, where the model has one.
pub(super) fn judge_model(
    compiled: &CompiledClause,
    scene: &mut Scene<'_, '_>,
) -> Result<Option<Organization>, Refusal> {
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

/// A membership is the source's to state, unless the token states it.
pub(super) fn is_vouched(organization: &Organization, token: &AccessToken) -> bool {
    organization.provenance() != OrganizationProvenance::PermissionSource
        || token.organization_claim() == Some(organization.id())
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
