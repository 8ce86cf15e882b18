//! A request in one comparable value.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::DecisionRequest;
use super::property::Properties;
use crate::organization::Organization;

/// The canonical form of a [`DecisionRequest`]. Two keys are equal only if the requests are.
///
/// It holds the whole request and not a hash of it, so no two requests share one. `Debug` shows its size only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestKey(Arc<[u8]>);

impl RequestKey {
    pub(super) fn of(request: &DecisionRequest) -> Self {
        let mut canon = Canon(Vec::with_capacity(256));
        canon.text(request.issuer());
        canon.text(request.issuer_name());
        canon.text(request.subject_id());
        canon.0.push(request.subject_kind() as u8);
        canon.optional(request.client_id());
        canon.length(request.scopes.len());
        for scope in request.scopes() {
            canon.text(scope);
        }
        canon.properties(&request.subject_properties);
        canon.text(request.action());
        canon.text(request.resource.kind());
        canon.text(request.resource.id());
        canon.properties(&request.resource.properties);
        canon.optional(request.organization.as_ref().map(Organization::issuer));
        canon.optional(request.organization_id());
        canon.optional(request.method.as_ref().map(http::Method::as_str));
        canon.optional(request.matched_route());
        canon.properties(&request.context);
        Self(canon.0.into())
    }

    /// Returns its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestKey").field("bytes", &self.0.len()).finish_non_exhaustive()
    }
}

/// Everything that varies in length says how long it is first, and everything that may be one of several says which.
struct Canon(Vec<u8>);

impl Canon {
    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&(length as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.0.push(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn properties(&mut self, properties: &Properties) {
        self.length(properties.len());
        for (name, property) in properties {
            self.text(name);
            self.value(property.value());
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.push(0),
            Value::Bool(value) => self.0.extend([1, u8::from(*value)]),
            Value::Number(number) => {
                self.0.push(2);
                self.text(&number.to_string());
            }
            Value::String(text) => {
                self.0.push(3);
                self.text(text);
            }
            Value::Array(items) => {
                self.0.push(4);
                self.length(items.len());
                for item in items {
                    self.value(item);
                }
            }
            Value::Object(members) => {
                // Another crate may have told serde_json to keep the order of insertion.
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_unstable_by_key(|(name, _)| *name);
                self.0.push(5);
                self.length(sorted.len());
                for (name, value) in sorted {
                    self.text(name);
                    self.value(value);
                }
            }
        }
    }
}
