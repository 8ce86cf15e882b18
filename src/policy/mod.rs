//! What a route requires: a value, built with words, combined with `and` / `or`, printable.
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
//!      or (resource and machine and scope support)"
//! );
//! ```
//!
//! Words are infallible to write: a faulty policy carries its first error until `require` or `into_router` returns it as
//! a [`ConfigError`](crate::ConfigError).

mod alternative;
mod check;
mod claim;
mod decide;
mod decide_by;
mod freshness;
mod live;
mod refusal;
mod rules;
mod value;
mod words;

pub use crate::organization::{RequestSource, any_organization, custom, header, path, subdomain};
pub use check::{CheckResult, Facts};
pub use claim::ClaimValue;
pub(crate) use decide::{Granted, View};
pub use decide_by::decide;
pub(crate) use decide_by::{Decided, DecisionView, WantedDecision};
#[cfg(feature = "axum")]
pub(crate) use decide_by::{denied_by, undecided};
pub use freshness::{fresh_within, live};
pub(crate) use live::{LiveView, Waited, WantedPermissions};
pub(crate) use rules::Rules;
pub use value::Policy;
pub use words::{
    all_of, any_issuer, any_of, authenticated, check, claim, issued_by, machine, optional, organization, resource,
    resource_at, scope, user,
};
