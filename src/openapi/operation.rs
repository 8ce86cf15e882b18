//! What a document says of an operation.

use std::collections::BTreeMap;

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Components, PathItem};

use super::responses::{add_problem, add_responses};
use crate::error::ConfigError;
use crate::policy::Policy;

/// Describes the operations of a path item: their `security` by the scheme of this name, the policy in words, and the
/// responses to requests that are rejected, where the item has none of its own. Their schema is added to `components`.
///
/// For documents that are made without a guard; the scheme itself is theirs to add.
///
/// # Errors
///
/// Returns the fault of a faulty policy, and a policy with more than 64 alternatives of scopes.
pub fn describe(
    item: &mut PathItem,
    policy: &Policy,
    scheme: &str,
    components: &mut Components,
) -> Result<(), ConfigError> {
    let security = policy.security(scheme)?.into_iter().map(|requirement: BTreeMap<String, Vec<String>>| {
        requirement.into_iter().fold(SecurityRequirement::default(), |all, (name, scopes)| all.add(name, scopes))
    });
    let security: Vec<SecurityRequirement> = security.collect();
    for (_, operation) in operations(item) {
        apply(operation, policy, security.clone(), true);
    }
    add_problem(components);
    Ok(())
}

/// Says that the operations of a path item need no token, whatever the document says of all operations.
pub fn describe_public(item: &mut PathItem) {
    for (_, operation) in operations(item) {
        operation.security = Some(Vec::new());
    }
}

pub(crate) fn apply(operation: &mut Operation, policy: &Policy, security: Vec<SecurityRequirement>, has_problem: bool) {
    operation.security = Some(security);
    let requires = if policy.is_shadow_only() {
        format!("Requires nothing, and judges for the record: {policy}.")
    } else {
        format!("Requires: {policy}.")
    };
    operation.description = Some(match operation.description.take() {
        Some(text) => format!("{text}\n\n{requires}"),
        None => requires,
    });
    add_responses(operation, policy, has_problem);
}

/// The operations that an axum router can have, each with its method.
pub(crate) fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("HEAD", &mut item.head),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
        ("OPTIONS", &mut item.options),
        ("TRACE", &mut item.trace),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The methods that a path item has operations for.
pub(crate) fn methods(item: &PathItem) -> Vec<&'static str> {
    operations(&mut item.clone()).map(|(method, _)| method).collect()
}
