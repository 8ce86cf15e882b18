//! The words that policies are made of.

mod authentication;
mod bound;
mod check;
mod claim;
mod client;
mod decision;
mod detail;
mod freshness;
mod kind;

use super::model::{IssuerRule, Model};
use super::scopes::{ScopeRule, written};
use super::tree::Word;
use super::value::Policy;
use crate::name::Name;
use crate::organization::RequestSource;

pub use authentication::{acr, any_acr, max_auth_age};
pub use bound::{dpop, mtls, sender_constrained};
pub use check::check;
pub use claim::{claim, claim_any_of, claim_contains};
pub use client::client;
pub use decision::decide;
pub use detail::authorization_detail;
pub(super) use detail::detail;
pub(super) use freshness::freshness;
pub use freshness::{fresh_within, live};
pub use kind::{machine, user};

/// Requires a token for this API and for no organization.
pub fn resource() -> Policy {
    Policy::with_source(Model::Resource { indicator: None, about: None }, None)
}

/// Requires a token for another of this server's resource indicators, one that the token's issuer entry may issue
/// tokens for. See [`resource`].
pub fn resource_at(indicator: &str) -> Policy {
    Policy::with_source(Model::Resource { indicator: Some(indicator.into()), about: None }, None)
}

/// Requires a token with permissions of one organization: its audience is exactly `urn:logto:organization:{id}`, where
/// `id` is that of the request's organization.
pub fn organization(source: RequestSource) -> Policy {
    let fault = source.fault().cloned();
    Policy::with_source(Model::Organization(source), fault)
}

/// Requires any valid token for this server, whichever of the server's audiences it has. It cannot be combined with
/// scopes, because it does not say which API they would belong to.
pub fn authenticated() -> Policy {
    Policy::with_source(Model::Authenticated, None)
}

/// Lets a request without a token pass too. A bad token still receives 401, and a token that does not meet `policy`
/// receives 403. Credentials of a scheme other than `Bearer` do not count as a token. The handler extracts
/// `Option<AccessToken>`.
///
/// ```
/// use orgate::AccessToken;
/// use orgate::policy::{optional, resource};
///
/// let policy = optional(resource().scope("read:products"));
/// assert!(policy.is_optional());
/// assert_eq!(policy.to_string(), "optional resource and scope read:products");
///
/// async fn greet(token: Option<AccessToken>) -> String {
///     token.map_or_else(|| "hello".to_owned(), |token| format!("hello {}", token.subject()))
/// }
/// # let _: axum::routing::MethodRouter = axum::routing::get(greet);
/// ```
pub fn optional(policy: Policy) -> Policy {
    Policy { optional: true, ..policy }
}

/// Requires this scope. Combine it with a model: `resource().scope("read")` means the same.
pub fn scope(scope: &str) -> Policy {
    all_of([scope])
}

/// Requires all of these scopes.
pub fn all_of<S: AsRef<str>>(scopes: impl IntoIterator<Item = S>) -> Policy {
    scope_list(false, scopes)
}

/// Requires at least one of these scopes.
///
/// ```
/// use orgate::policy::{any_of, resource};
///
/// let policy = resource().and(any_of(["read:orders", "admin"]));
/// assert_eq!(policy.to_string(), "resource and any of [read:orders admin]");
/// ```
pub fn any_of<S: AsRef<str>>(scopes: impl IntoIterator<Item = S>) -> Policy {
    scope_list(true, scopes)
}

/// Requires a token of the issuer entry with this name. `guard.require(issued_by("staff"))` applies it to every route.
pub fn issued_by(name: &str) -> Policy {
    Policy::of(Word::Issuer(IssuerRule::Named(name.into())))
}

/// Accepts tokens of any issuer entry. A server with several entries needs this word where a policy does not name one.
pub fn any_issuer() -> Policy {
    Policy::of(Word::Issuer(IssuerRule::Any))
}

/// The word for a list of scopes.
pub(super) fn scope_list<S: AsRef<str>>(is_any: bool, scopes: impl IntoIterator<Item = S>) -> Policy {
    let scopes: Vec<S> = scopes.into_iter().collect();
    match ScopeRule::new(is_any, &scopes) {
        Ok(rule) => Policy::of(Word::Scopes(rule)),
        Err(fault) => {
            let names = scopes.iter().map(|scope| Name(scope.as_ref()));
            Policy::faulty(written(is_any, names), fault)
        }
    }
}

impl Policy {
    /// Adds [`scope`]: requires this scope.
    pub fn scope(self, name: &str) -> Self {
        self.and(scope(name))
    }

    /// Adds [`all_of`]: requires all of these scopes.
    pub fn all_of<S: AsRef<str>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.and(scope_list(false, scopes))
    }

    /// Adds [`any_of`]: requires at least one of these scopes.
    pub fn any_of<S: AsRef<str>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.and(scope_list(true, scopes))
    }

    /// Adds [`issued_by`]: accepts only tokens of the issuer entry that has this name when the request arrives.
    pub fn issued_by(self, name: &str) -> Self {
        self.and(issued_by(name))
    }

    /// Adds [`any_issuer`]: accepts tokens of every issuer entry. Organizations and subjects of two entries are never
    /// the same, even if their ids are equal.
    pub fn any_issuer(self) -> Self {
        self.and(any_issuer())
    }
}
