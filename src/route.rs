//! The route table as data, for an audit, an `OpenAPI` document or a page of routes.

use std::fmt;

use serde::Serialize;

use crate::name::stable_names;
use crate::policy::Description;

/// One route: its methods, path and access. Names of fields and variants are stable in the serialized form; new ones
/// may be added.
///
/// ```
/// use orgate::route::{Access, RouteDescription};
///
/// let health = RouteDescription::new(["GET"], "/health", Access::Public);
/// assert_eq!(health.path.as_deref(), Some("/health"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RouteDescription {
    /// The methods; none stands for every method that has no route of its own on the path. `GET` answers `HEAD` too.
    pub methods: Vec<String>,
    /// The path, below which everything belongs to a public router; none for the fallback.
    pub path: Option<String>,
    /// What is called there, where one route has several policies: `tools/call delete_all` of an MCP server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Who may ask.
    pub access: Access,
    /// Where the token of a browser's WebSocket may be beside `Authorization`, and the origins of the pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser_token: Option<String>,
}

/// Who may call a route.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Access {
    /// Those who meet this policy, `require(..)` of the guard included.
    Policy(Box<Description>),
    /// Everybody.
    Public,
    /// Everybody, and everything below the path.
    PublicRouter,
}

stable_names!(Access {
    Policy => "policy",
    Public => "public",
    PublicRouter => "public_router",
});

impl RouteDescription {
    /// Returns a route with these methods (none: all) at this path.
    ///
    /// ```
    /// use orgate::policy::resource;
    /// use orgate::route::{Access, RouteDescription};
    ///
    /// let access = Access::from(&resource().scope("read:products"));
    /// let route = RouteDescription::new(["GET"], "/products", access);
    /// assert_eq!(route.access.to_string(), "resource and scope read:products");
    /// ```
    pub fn new<M: Into<String>>(methods: impl IntoIterator<Item = M>, path: impl Into<String>, access: Access) -> Self {
        let methods = methods.into_iter().map(Into::into).collect();
        Self { methods, path: Some(path.into()), operation: None, access, browser_token: None }
    }

    /// Sets what is called at the path.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Sets where the token of a browser's WebSocket may be.
    #[must_use]
    pub fn browser_token(mut self, place: impl Into<String>) -> Self {
        self.browser_token = Some(place.into());
        self
    }

    /// Creates the description of the handler for unknown paths.
    #[must_use]
    pub const fn fallback(access: Access) -> Self {
        Self { methods: Vec::new(), path: None, operation: None, access, browser_token: None }
    }
}

impl From<&crate::Policy> for Access {
    fn from(policy: &crate::Policy) -> Self {
        Self::Policy(Box::new(policy.describe()))
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(policy) => f.write_str(&policy.text),
            Self::Public => f.write_str("public"),
            Self::PublicRouter => f.write_str("public router"),
        }
    }
}
