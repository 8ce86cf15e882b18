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

/// Adds the methods that change claims and header members, over whatever they were.
macro_rules! changes_members {
    ($builder:ty) => {
        /// What else it says.
        impl $builder {
            /// Sets a claim, over whatever it was.
            ///
            /// # Panics
            ///
            /// Panics if the value does not serialize to JSON.
            pub fn claim(mut self, name: impl Into<String>, value: impl serde::Serialize) -> Self {
                self.claims.push((name.into(), Some(super::to_json(value))));
                self
            }

            /// Omits a claim.
            pub fn without_claim(mut self, name: impl Into<String>) -> Self {
                self.claims.push((name.into(), None));
                self
            }

            /// Sets a header member, over whatever it was. `alg` changes the name alone, not the signature.
            ///
            /// # Panics
            ///
            /// Panics if the value does not serialize to JSON.
            pub fn header(mut self, name: impl Into<String>, value: impl serde::Serialize) -> Self {
                self.header.push((name.into(), Some(super::to_json(value))));
                self
            }

            /// Omits a header member.
            pub fn without_header(mut self, name: impl Into<String>) -> Self {
                self.header.push((name.into(), None));
                self
            }
        }
    };
}

pub(super) use changes_members;
