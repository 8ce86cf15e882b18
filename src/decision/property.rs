//! A value that goes along with a request.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::DecisionError;

/// A JSON value that is sent to a decision point: a role, an owner, an amount.
///
/// ```
/// use orgate::decision::Property;
///
/// assert_eq!(Property::from("editor").as_str(), Some("editor"));
/// assert_eq!(Property::from(vec!["editor", "reviewer"]).read::<Vec<String>>().map(|roles| roles.len()), Some(2));
/// ```
#[derive(Clone, PartialEq)]
pub struct Property(Value);

/// Named values.
pub(crate) type Properties = BTreeMap<Box<str>, Property>;

impl Property {
    /// Creates a property from any type that serializes.
    ///
    /// # Errors
    ///
    /// Returns an error if `value` does not serialize to JSON.
    pub fn json(value: &impl Serialize) -> Result<Self, DecisionError> {
        serde_json::to_value(value).map(Self).map_err(|_| DecisionError::wrong("the property is not a JSON value"))
    }

    /// Returns the text, if the value is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_str()
    }

    /// Returns the boolean, if the value is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self.0 {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the integer, if the value is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.0.as_i64()
    }

    /// Deserializes the value into another type, if it fits.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(self.0.clone()).ok()
    }

    pub(crate) const fn value(&self) -> &Value {
        &self.0
    }

    pub(crate) const fn is_null(&self) -> bool {
        matches!(self.0, Value::Null)
    }
}

impl fmt::Debug for Property {
    /// Without the value, which may be about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Property(..)")
    }
}

impl Serialize for Property {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl From<&str> for Property {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Property {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<bool> for Property {
    fn from(value: bool) -> Self {
        Self(value.into())
    }
}

impl From<i64> for Property {
    fn from(value: i64) -> Self {
        Self(value.into())
    }
}

impl<T: Into<Self>> From<Vec<T>> for Property {
    fn from(values: Vec<T>) -> Self {
        Self(values.into_iter().map(|value| value.into().0).collect())
    }
}
