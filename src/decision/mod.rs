//! Decisions of a *policy decision point* (PDP), which is asked after token, organization and scopes.
//!
//! It can only narrow. A [`DecisionRequest`] says who wants to do what with which resource; a [`DecisionPoint`] answers
//! with a [`Decision`]; a [`Decider`] asks it and remembers the answers for some seconds. Three kinds of outcome are kept
//! apart: allow, deny, and a [`DecisionError`], which is no decision at all and must not be taken for one.
//!
//! A point may be a process on the network (the features `authzen` and `permit` hold clients) or a function:
//!
//! ```
//! use orgate::decision::{Decision, DecisionFuture, DecisionPoint, DecisionRequest};
//!
//! /// Nobody deletes anything outside an organization.
//! struct HouseRules;
//!
//! impl DecisionPoint for HouseRules {
//!     fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a> {
//!         let allowed = request.action() != "delete" || request.organization_id().is_some();
//!         let decision = if allowed { Decision::allow() } else { Decision::deny().with_reason("no organization") };
//!         Box::pin(std::future::ready(Ok(decision)))
//!     }
//! }
//! ```

mod asking;
mod batch;
mod builder;
mod cache;
#[cfg(any(feature = "authzen", feature = "permit"))]
mod call;
mod decider;
mod error;
mod follower;
#[cfg(test)]
mod interleavings;
mod issuers;
mod key;
mod outcome;
mod point;
mod property;
mod request;
#[cfg(test)]
mod tests;
mod waiting;
mod wanted;

pub use builder::DeciderBuilder;
pub use cache::CacheTimes;
pub use decider::Decider;
pub use error::DecisionError;
pub use issuers::KnownIssuers;
pub use key::RequestKey;
pub use outcome::{Decision, Obligation};
#[cfg(feature = "authzen")]
pub(crate) use point::one_for_each;
#[cfg(any(feature = "authzen", feature = "permit"))]
pub(crate) use point::too_many;
pub use point::{DecisionFuture, DecisionPoint, MAX_BATCH, decide_each};
pub use property::Property;
pub use request::{DecisionRequest, Resource};
#[cfg(feature = "axum")]
pub(crate) use waiting::in_time;
pub(crate) use wanted::{Decided, DecisionView, Wanted, WantedDecisions, denied_by, undecided};
