//! A question in AuthZEN's words.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::decision::{DecisionError, DecisionRequest, Property};
use crate::token::SubjectKind;

/// The body of one evaluation (AuthZEN 1.0 section 6.1), which [`AuthZenBuilder::map`](super::AuthZenBuilder::map) may
/// change before it is sent.
#[derive(Clone, PartialEq)]
pub struct Evaluation {
    pub(super) subject: Entity,
    pub(super) action: Action,
    pub(super) resource: Entity,
    pub(super) context: Map<String, Value>,
}

/// A member of an evaluation, and how it is made.
type Part = (&'static str, fn(&Evaluation) -> Value);

#[derive(Clone, PartialEq, Serialize)]
pub(super) struct Entity {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    properties: Map<String, Value>,
}

#[derive(Clone, PartialEq, Serialize)]
pub(super) struct Action {
    name: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    properties: Map<String, Value>,
}

impl Evaluation {
    pub(super) fn of(request: &DecisionRequest) -> Self {
        let mut subject = Entity {
            kind: match request.subject_kind() {
                SubjectKind::User => "user",
                SubjectKind::Machine => "machine",
                SubjectKind::Unknown => "unknown",
            }
            .to_owned(),
            id: request.subject_id().to_owned(),
            properties: copied(request.subject_properties()),
        };
        // What is verified comes last: a property of the same name does not stand in its place.
        set(&mut subject.properties, "issuer", request.issuer());
        overwrite(&mut subject.properties, "client_id", request.client_id());
        let scopes: Vec<&str> = request.scopes().collect();
        subject.properties.insert("scopes".to_owned(), json!(scopes));

        let mut resource = Entity {
            kind: request.resource().kind().to_owned(),
            id: request.resource().id().to_owned(),
            properties: copied(request.resource().properties()),
        };
        let mut context = copied(request.context_properties());
        set(&mut context, "issuer", request.issuer());
        overwrite(&mut resource.properties, "tenant", request.organization_id());
        overwrite(&mut context, "organization", request.organization_id());
        overwrite(&mut context, "method", request.http_method().map(http::Method::as_str));
        overwrite(&mut context, "route", request.matched_route());
        let action = Action { name: request.action().to_owned(), properties: Map::new() };
        Self { subject, action, resource, context }
    }

    /// Sets the subject's type, instead of `user`, `machine` or `unknown`.
    pub fn set_subject_type(&mut self, kind: impl Into<String>) {
        self.subject.kind = kind.into();
    }

    /// Sets the subject's id in the point's own terms. Ids of different issuers must stay distinct.
    pub fn set_subject_id(&mut self, id: impl Into<String>) {
        self.subject.id = id.into();
    }

    /// Sets a property of the subject.
    pub fn set_subject_property(&mut self, name: impl Into<String>, value: impl Into<Property>) {
        insert(&mut self.subject.properties, name, value);
    }

    /// Sets the action's name.
    pub fn set_action_name(&mut self, name: impl Into<String>) {
        self.action.name = name.into();
    }

    /// Sets a property of the action.
    pub fn set_action_property(&mut self, name: impl Into<String>, value: impl Into<Property>) {
        insert(&mut self.action.properties, name, value);
    }

    /// Sets the resource's type.
    pub fn set_resource_type(&mut self, kind: impl Into<String>) {
        self.resource.kind = kind.into();
    }

    /// Sets the resource's id.
    pub fn set_resource_id(&mut self, id: impl Into<String>) {
        self.resource.id = id.into();
    }

    /// Sets a property of the resource.
    pub fn set_resource_property(&mut self, name: impl Into<String>, value: impl Into<Property>) {
        insert(&mut self.resource.properties, name, value);
    }

    /// Sets a member of the context.
    pub fn set_context(&mut self, name: impl Into<String>, value: impl Into<Property>) {
        insert(&mut self.context, name, value);
    }

    /// Section 5: each of the three is named.
    pub(super) fn check(&self) -> Result<(), DecisionError> {
        let Self { subject, action, resource, .. } = self;
        let named = [&subject.kind, &subject.id, &action.name, &resource.kind, &resource.id];
        if named.iter().any(|text| text.is_empty()) {
            return Err(DecisionError::wrong(
                "the mapping left the subject, the action or the resource without a name",
            ));
        }
        Ok(())
    }

    /// The body of a single evaluation.
    pub(super) fn to_json(&self) -> Value {
        let Self { subject, action, resource, context } = self;
        json!({ "subject": subject, "action": action, "resource": resource, "context": context })
    }

    /// Which of these go together in one call, by their places.
    ///
    /// Some points (Cerbos 0.51 is one) find the answers of a call by the ids of subject and resource: two items with the
    /// same ids, and different tenants say, would both get the decision for the first. So they do not meet in one call.
    pub(super) fn calls(all: &[Self]) -> Vec<Vec<usize>> {
        let mut told: HashMap<[&str; 4], Vec<&Self>> = HashMap::new();
        let mut calls: Vec<Vec<usize>> = Vec::new();
        for (at, one) in all.iter().enumerate() {
            let ids = [&*one.subject.kind, &one.subject.id, &one.resource.kind, &one.resource.id];
            let variants = told.entry(ids).or_default();
            let number = variants.iter().position(|other| other.is_told_as(one)).unwrap_or_else(|| {
                variants.push(one);
                variants.len() - 1
            });
            if calls.len() <= number {
                calls.push(Vec::new());
            }
            if let Some(call) = calls.get_mut(number) {
                call.push(at);
            }
        }
        calls
    }

    /// The same but for the action.
    fn is_told_as(&self, other: &Self) -> bool {
        self.subject == other.subject && self.resource == other.resource && self.context == other.context
    }

    /// The body of several (section 7.1): what all have in common is said once, and each item says what is its own.
    pub(super) fn all_to_json(all: &[&Self], semantic: &str) -> Value {
        let mut body = Map::new();
        let same = |part: fn(&Self) -> Value| {
            let mut parts = all.iter().map(|one| part(one));
            parts.next().filter(|first| parts.all(|other| other == *first))
        };
        let shared: [Part; 3] = [
            ("subject", |one| json!(one.subject)),
            ("action", |one| json!(one.action)),
            ("context", |one| json!(one.context)),
        ];
        let mut own: Vec<Part> = vec![("resource", |one| json!(one.resource))];
        for (name, part) in shared {
            match same(part) {
                Some(value) => _ = body.insert(name.to_owned(), value),
                None => own.push((name, part)),
            }
        }
        let items = all.iter().map(|one| own.iter().map(|(name, part)| ((*name).to_owned(), part(one))).collect());
        body.insert("evaluations".to_owned(), items.map(Value::Object).collect());
        body.insert("options".to_owned(), json!({ "evaluations_semantic": semantic }));
        Value::Object(body)
    }
}

impl fmt::Debug for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluation").field("action", &self.action.name).finish_non_exhaustive()
    }
}

fn copied<'a>(properties: impl Iterator<Item = (&'a str, &'a Property)>) -> Map<String, Value> {
    properties.map(|(name, value)| (name.to_owned(), value.value().clone())).collect()
}

fn set(properties: &mut Map<String, Value>, name: &str, value: &str) {
    properties.insert(name.to_owned(), value.into());
}

/// What is not known is not stated by a property of the same name either.
fn overwrite(properties: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    match value {
        Some(value) => set(properties, name, value),
        None => _ = properties.remove(name),
    }
}

/// I-JSON advises against `null` members: such a one is left out.
fn insert(properties: &mut Map<String, Value>, name: impl Into<String>, value: impl Into<Property>) {
    let value = value.into();
    if value.is_null() {
        properties.remove(&name.into());
    } else {
        properties.insert(name.into(), value.value().clone());
    }
}
