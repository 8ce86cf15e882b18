//! The words that policies are made of.

use super::alternative::{Alternative, IssuerRule, Model, ScopeRule};
use super::check::{Check, CheckResult, Facts};
use super::claim::ClaimValue;
use super::value::Policy;
use crate::error::ConfigError;
use crate::organization::RequestSource;
use crate::token::SubjectKind;

/// The token is for this API and for no organization.
pub fn resource() -> Policy {
    Policy::model(Model::Resource(None))
}

/// As [`resource`], for another of this server's resource indicators: one that the token's own issuer entry speaks for.
pub fn resource_at(indicator: &str) -> Policy {
    Policy::model(Model::Resource(Some(indicator.into())))
}

/// The token holds permissions of one organization: its audience is exactly `urn:logto:organization:{id}`, where `id` is
/// the request's.
pub fn organization(source: RequestSource) -> Policy {
    let fault = source.fault().cloned();
    Policy { fault, ..Policy::model(Model::Organization(source)) }
}

/// Any valid token for this server, whatever its audience among those that the server serves. Scopes cannot be asked for
/// here, since it is open what they would be for.
pub fn authenticated() -> Policy {
    Policy::model(Model::Authenticated)
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
///
/// async fn greet(token: Option<AccessToken>) -> String {
///     token.map_or_else(|| "hello".to_owned(), |token| format!("hello {}", token.subject()))
/// }
/// # let _: axum::routing::MethodRouter = axum::routing::get(greet);
/// ```
pub fn optional(policy: Policy) -> Policy {
    Policy { optional: true, ..policy }
}

/// The token has this scope. To be combined with a model: `resource().scope("read")` says the same.
pub fn scope(scope: &str) -> Policy {
    all_of([scope])
}

/// The token has all of these scopes.
pub fn all_of<S: AsRef<str>>(scopes: impl IntoIterator<Item = S>) -> Policy {
    Policy::scopes("all_of", scopes, ScopeRule::All)
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
    Policy::scopes("any_of", scopes, ScopeRule::Any)
}

/// The token is of the issuer entry with this name. `guard.require(issued_by("staff"))` says it for every route.
pub fn issued_by(name: &str) -> Policy {
    Policy::condition(Alternative { issuer: Some(IssuerRule::Named(name.into())), ..Alternative::default() })
}

/// The token is of any issuer entry: what a server with several must say where it does not name one.
pub fn any_issuer() -> Policy {
    Policy::condition(Alternative { issuer: Some(IssuerRule::Any), ..Alternative::default() })
}

/// The token speaks for a user.
pub fn user() -> Policy {
    Policy::condition(Alternative { kind: Some(SubjectKind::User), ..Alternative::default() })
}

/// The token speaks for a machine: a client on its own behalf.
pub fn machine() -> Policy {
    Policy::condition(Alternative { kind: Some(SubjectKind::Machine), ..Alternative::default() })
}

/// The token has a top-level claim of exactly this value and type. An absent claim never matches.
///
/// ```
/// use orgate::policy::{claim, resource};
///
/// let policy = resource().and(claim("plan", "pro")).and(claim("beta", true));
/// assert_eq!(policy.to_string(), "resource and claim plan = \"pro\" and claim beta = true");
/// ```
pub fn claim(name: &str, value: impl Into<ClaimValue>) -> Policy {
    if name.is_empty() {
        return Policy::faulty(ConfigError::new("claim(\"\"): the name of a claim is missing"));
    }
    Policy::condition(Alternative { claims: vec![(name.into(), value.into())], ..Alternative::default() })
}

/// A condition of the application's own. It runs last, once everything else in its branch holds.
///
/// ```
/// use orgate::policy::{check, resource};
///
/// let policy = resource().and(check("internal client", |facts| facts.token().client_id() == Some("back-office")));
/// assert_eq!(policy.to_string(), "resource and check \"internal client\"");
/// ```
pub fn check<R: CheckResult>(name: &str, run: impl Fn(&Facts<'_>) -> R + Send + Sync + 'static) -> Policy {
    if name.is_empty() {
        return Policy::faulty(ConfigError::new("check(\"\"): the name of a check is missing"));
    }
    Policy::condition(Alternative { checks: vec![Check::new(name, run)], ..Alternative::default() })
}
