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
pub use freshness::{fresh_within, live};
pub use kind::{machine, user};

/// The token is for this API and for no organization.
pub fn resource() -> Policy {
    Policy::with_source(Model::Resource { indicator: None, about: None }, None)
}

/// As [`resource`], for another of this server's resource indicators: one that the token's own issuer entry speaks for.
pub fn resource_at(indicator: &str) -> Policy {
    Policy::with_source(Model::Resource { indicator: Some(indicator.into()), about: None }, None)
}

/// The token holds permissions of one organization: its audience is exactly `urn:logto:organization:{id}`, where `id` is
/// the request's.
pub fn organization(source: RequestSource) -> Policy {
    let fault = source.fault().cloned();
    Policy::with_source(Model::Organization(source), fault)
}

/// Any valid token for this server, whatever its audience among those that the server serves. Scopes cannot be asked for
/// here, since it is open what they would be for.
pub fn authenticated() -> Policy {
    Policy::with_source(Model::Authenticated, None)
}

/// A request without a token passes too; a bad token is still 401, and one that does not meet `policy` 403. Credentials of
/// another scheme than `Bearer` are no token. The handler takes `Option<AccessToken>`.
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

/// The token has this scope. Combine it with a model: `resource().scope("read")` says the same.
pub fn scope(scope: &str) -> Policy {
    all_of([scope])
}

/// The token has all of these scopes.
pub fn all_of<S: AsRef<str>>(scopes: impl IntoIterator<Item = S>) -> Policy {
    scope_list(false, scopes)
}

/// The token has at least one of these scopes.
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

/// The token is of the issuer entry with this name. `guard.require(issued_by("staff"))` says it for every route.
pub fn issued_by(name: &str) -> Policy {
    Policy::of(Word::Issuer(IssuerRule::Named(name.into())))
}

/// The token is of any issuer entry: what a server with several must say where it does not name one.
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
    /// Also this scope.
    pub fn scope(self, name: &str) -> Self {
        self.and(scope(name))
    }

    /// Also all of these scopes.
    pub fn all_of<S: AsRef<str>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.and(scope_list(false, scopes))
    }

    /// Also one of these scopes.
    pub fn any_of<S: AsRef<str>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.and(scope_list(true, scopes))
    }

    /// Only tokens of the issuer entry with this name: whichever entry has it when a request comes.
    pub fn issued_by(self, name: &str) -> Self {
        self.and(issued_by(name))
    }

    /// Tokens of every issuer entry. Organizations and subjects of two entries are never the same, even with one id.
    pub fn any_issuer(self) -> Self {
        self.and(any_issuer())
    }
}
