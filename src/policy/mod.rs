//! Policies: values that state what a route requires. They are built with words, combined with `and` / `or`, and printable.
//!
//! A policy starts with what the token must be *for*, one of Logto's three authorization models, and adds conditions:
//!
//! | word | the token's audience | its organization |
//! |---|---|---|
//! | [`resource()`] | this API's resource indicator, and no organization beside it | none |
//! | [`organization(source)`](organization()) | exactly `urn:logto:organization:{id}` | `id` is the request's |
//! | [`resource().in_organization(source)`](Policy::in_organization) | this API's resource indicator | `organization_id` is the request's |
//! | [`authenticated()`] | anything that this server serves | not looked at |
//!
//! ```
//! use orgate::policy::{any_of, machine, organization, path, resource};
//!
//! let policy = organization(path("org")).scope("invite:member")
//!     .or(resource().in_organization(path("org")).and(any_of(["write:members", "admin"])))
//!     .or(resource().scope("support").and(machine()));
//!
//! assert_eq!(
//!     policy.to_string(),
//!     "(organization from path {org} and scope invite:member) \
//!      or (resource in organization from path {org} and any of [write:members admin]) \
//!      or (resource and scope support and machine)"
//! );
//! ```
//!
//! The printed form can be read again: by [`str::parse`], or by [`Parser`] where it names checks and closures of the
//! application. [`Policy::describe`] returns a policy as data.
//!
//! Words are infallible to write: a faulty policy carries its first error until `require` or `into_router` returns it as
//! a [`ConfigError`](crate::ConfigError).

mod again;
mod clause;
mod code;
mod codeless;
mod compiled;
mod condition;
mod describe;
mod described;
mod described_names;
mod detail;
mod fit;
mod freshness;
mod judge;
mod live;
mod memory;
mod model;
mod nearest;
mod parse;
mod refusal;
mod scene;
mod scopes;
mod security;
mod shadow;
mod step_up;
mod tree;
mod value;
mod words;

pub use crate::organization::source::{RequestSource, any_organization, argument, custom, header, path, subdomain};
pub use code::{CheckResult, Facts};
pub(crate) use compiled::CompiledPolicy;
pub use condition::ClaimValue;
pub use describe::{
    ClauseDescription, ConditionDescription, Description, FreshnessDescription, IssuerDescription, KeepDescription,
    ModelDescription, OnErrorDescription, ScopesDescription, SourceDescription, Written,
};
pub use detail::AuthorizationDetail;
pub(crate) use judge::{Granted, View};
pub(crate) use live::LiveView;
pub(crate) use memory::CheckMemory;
pub use parse::{ParseError, Parser};
pub use security::Alternative;
pub(crate) use step_up::SignInView;
pub use value::Policy;
pub use words::{
    acr, all_of, any_acr, any_issuer, any_of, authenticated, authorization_detail, check, claim, claim_any_of,
    claim_contains, client, decide, dpop, fresh_within, issued_by, live, machine, max_auth_age, mtls, optional,
    organization, resource, resource_at, scope, sender_constrained, user,
};

#[cfg(test)]
mod tests;
