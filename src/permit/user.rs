//! A user, as Permit.io is told.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::decision::Property;

/// A user of Permit.io. Only the key is needed, which is the `sub` of the user's tokens.
///
/// What is not set is not sent. `Debug` shows nothing of it.
///
/// ```
/// use orgate::permit::PermitUser;
///
/// let user = PermitUser::new("user_1").email("alice@example.com").first_name("Alice").attribute("plan", "pro");
/// assert_eq!(format!("{user:?}"), "PermitUser { .. }");
/// ```
#[derive(Clone, PartialEq, Serialize)]
#[must_use]
pub struct PermitUser {
    pub(super) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
    attributes: Map<String, Value>,
}

impl PermitUser {
    /// Creates a user with this key.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), email: None, first_name: None, last_name: None, attributes: Map::new() }
    }

    /// Sets the email address.
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Sets the given name.
    pub fn first_name(mut self, name: impl Into<String>) -> Self {
        self.first_name = Some(name.into());
        self
    }

    /// Sets the family name.
    pub fn last_name(mut self, name: impl Into<String>) -> Self {
        self.last_name = Some(name.into());
        self
    }

    /// Adds an attribute that policies may read.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Property>) -> Self {
        self.attributes.insert(name.into(), value.into().value().clone());
        self
    }
}

impl fmt::Debug for PermitUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitUser").finish_non_exhaustive()
    }
}
