//! Changes to the members of a header or of claims.

use serde_json::{Map, Value};

/// A member that is set, or left out.
pub(super) type Change = (String, Option<Value>);

pub(super) fn changed(mut members: Map<String, Value>, changes: &[Change]) -> Vec<u8> {
    for (name, value) in changes {
        match value {
            Some(value) => members.insert(name.clone(), value.clone()),
            None => members.remove(name),
        };
    }
    Value::Object(members).to_string().into_bytes()
}
