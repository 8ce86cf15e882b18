//! The responses to requests that are rejected.

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Array, Object, ObjectBuilder, Type};
use utoipa::openapi::{
    Components, Content, Header, KnownFormat, Ref, RefOr, Response, ResponseBuilder, Schema, SchemaFormat,
};

use crate::policy::{ConditionDescription, Policy};

const PROBLEM: &str = "orgate.Problem";

/// Adds the responses that the operation does not have.
pub(super) fn add_responses(operation: &mut Operation, policy: &Policy, has_problem: bool) {
    if policy.is_shadow_only() {
        return;
    }
    let mut add = |status: &str, description: &str, header: Option<&str>| {
        let missing = || RefOr::T(response(description, header, has_problem));
        operation.responses.responses.entry(status.to_owned()).or_insert_with(missing);
    };
    let unauthorized = if asks_for_sign_in(policy) {
        "The request has no valid access token, or its user must sign in again (`insufficient_user_authentication`)."
    } else {
        "The request has no valid access token."
    };
    add("401", unauthorized, Some("WWW-Authenticate"));
    add("403", "The access token does not permit the request.", Some("WWW-Authenticate"));
    if policy.describe().hidden {
        add("404", "There is nothing here, or not for this access token.", None);
    }
    add("503", "The request cannot be authorized at the moment.", Some("Retry-After"));
}

fn asks_for_sign_in(policy: &Policy) -> bool {
    let description = policy.describe();
    let mut conditions = description.clauses.iter().flat_map(|clause| &clause.conditions);
    conditions.any(|condition| {
        matches!(condition, ConditionDescription::Acr { .. } | ConditionDescription::MaxAuthAge { .. })
    })
}

fn response(description: &str, header: Option<&str>, has_problem: bool) -> Response {
    let mut response = ResponseBuilder::new().description(description);
    if has_problem {
        let schema = Ref::from_schema_name(PROBLEM);
        response = response.content("application/problem+json", Content::new(Some(schema)));
    }
    if let Some(name) = header {
        response = response.header(name, Header::new(Object::with_type(Type::String)));
    }
    response.build()
}

/// Adds the schema of the body, once.
pub(crate) fn add_problem(components: &mut Components) {
    components.schemas.entry(PROBLEM.to_owned()).or_insert_with(problem);
}

/// RFC 9457, with the members that a rejection adds.
fn problem() -> RefOr<Schema> {
    let text = || Object::with_type(Type::String);
    let scopes = || Array::new(Object::with_type(Type::String));
    let status =
        ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
    let object = ObjectBuilder::new()
        .description(Some("Why a request was rejected (RFC 9457)"))
        .property("title", text())
        .property("status", status)
        .property("detail", text())
        .property("error", text())
        .property("remediation", text())
        .property("required_scopes", scopes())
        .property("missing_scopes", scopes())
        .property("acr_values", scopes())
        .property("max_age", Object::with_type(Type::Integer))
        .required("title")
        .required("status")
        .required("detail");
    RefOr::T(Schema::Object(object.build()))
}
