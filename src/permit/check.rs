//! A check in Permit.io's words, and what the answer says.

use std::fmt;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::decision::{Decision, DecisionError, DecisionRequest, Property};
use crate::json::{JsonError, Object};

/// What Permit.io calls the tenant of those who name none.
const FALLBACK_TENANT: &str = "default";

/// The body of a check. Whoever asks for an organization gets that organization's answer, or none.
pub(super) fn body(request: &DecisionRequest, issuer: Option<&str>) -> Result<Value, DecisionError> {
    request.check()?;
    if issuer.is_some_and(|issuer| issuer != request.issuer_name()) {
        return Err(DecisionError::wrong("the subject is of another issuer entry than Permit.io's users"));
    }
    let tenant = request.organization_id().ok_or_else(|| {
        DecisionError::wrong(
            "a request without an organization: its policy needs organization(..) or in_organization(..)",
        )
    })?;
    if tenant.is_empty() || tenant == FALLBACK_TENANT {
        return Err(DecisionError::wrong("the organization's id is Permit.io's fallback tenant"));
    }
    Ok(json!({
        "user": { "key": request.subject_id(), "attributes": object(request.subject_properties()) },
        "action": request.action(),
        "resource": {
            "type": request.resource().kind(),
            "key": request.resource().id(),
            "tenant": tenant,
            "attributes": object(request.resource().properties()),
        },
        "context": context(request),
    }))
}

/// What is known of the request goes along by itself. The issuer is verified: no property of that name takes its place.
fn context(request: &DecisionRequest) -> Map<String, Value> {
    let known = [
        ("method", request.http_method().map(|method| method.as_str().to_owned())),
        ("route", request.matched_route().map(str::to_owned)),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    let issuer = ("issuer".to_owned(), request.issuer().into());
    known.chain(object(request.context_properties())).chain([issuer]).collect()
}

/// An object, and never null.
fn object<'a>(properties: impl Iterator<Item = (&'a str, &'a Property)>) -> Map<String, Value> {
    properties.map(|(name, property)| (name.to_owned(), property.value().clone())).collect()
}

/// The answer to one check.
pub(super) fn single(body: &[u8]) -> Result<Decision, DecisionError> {
    decision(&Object::document(body).map_err(wrong)?).map_err(wrong)
}

/// The answer to several, in their order.
pub(super) fn several(body: &[u8]) -> Result<Vec<Decision>, DecisionError> {
    let object = Object::document(body).map_err(wrong)?;
    let items: Vec<&RawValue> =
        object.get("allow").map_err(wrong)?.ok_or_else(|| wrong(JsonError::WrongType("allow")))?;
    items.iter().map(|item| single(item.get().as_bytes())).collect()
}

fn decision(object: &Object<'_>) -> Result<Decision, JsonError> {
    match object.get::<bool>("allow")? {
        Some(true) => Ok(Decision::allow()),
        Some(false) => Ok(Decision::deny()),
        None => Err(JsonError::WrongType("allow")),
    }
}

fn wrong(error: impl fmt::Display) -> DecisionError {
    DecisionError::wrong(format_args!("an answer that is no decision: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_boolean_decides() {
        let verdict = |body: &str| single(body.as_bytes()).ok().map(|decision| decision.is_allowed());
        assert_eq!(verdict(r#"{"allow":true,"debug":null}"#), Some(true));
        assert_eq!(verdict(r#"{"result":true,"allow":false}"#), Some(false));
        for body in [
            "",
            "true",
            "{}",
            r#"{"result":true}"#,
            r#"{"allow":"true"}"#,
            r#"{"allow":null}"#,
            r#"{"allow":true,"allow":true}"#,
        ] {
            assert_eq!(verdict(body), None, "{body}");
        }
    }

    #[test]
    fn a_list_is_as_good_as_its_items() {
        let read = |body: &str| several(body.as_bytes()).ok().map(|all| all.iter().map(Decision::is_allowed).collect());
        assert_eq!(read(r#"{"allow":[{"allow":true},{"allow":false}]}"#), Some(vec![true, false]));
        for body in ["{}", r#"{"allow":true}"#, r#"{"allow":[true]}"#, r#"{"allow":[{"allow":true},{}]}"#] {
            assert_eq!(read(body), None, "{body}");
        }
    }
}
