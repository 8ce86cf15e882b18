//! A client for Permit.io: its decision point, and the facts that it decides by. Feature `permit`.
//!
//! [`Permit`] is a [`DecisionPoint`](crate::decision::DecisionPoint). The tenant of a check is *always* the verified
//! organization of the request: a request without one is not asked, and an organization called `default`, which is what
//! Permit.io falls back to where none is named, is not either.
//!
//! ```
//! use orgate::decision::Decider;
//! use orgate::permit::Permit;
//!
//! let permit = Permit::builder("http://localhost:7766", "permit_key_...").build()?;
//! let decider = Decider::builder(permit).build()?;
//! # Ok::<(), orgate::ConfigError>(())
//! ```
//!
//! # What is sent
//!
//! | Permit.io reads | it is |
//! |---|---|
//! | `user.key` | the `sub` of the token, without its issuer |
//! | `user.attributes` | the request's subject properties |
//! | `action` | the action |
//! | `resource.type`, `.key`, `.attributes` | the resource and its properties |
//! | `resource.tenant` | the id of the organization |
//! | `context.issuer` | the first `iss` value of the issuer entry |
//! | `context.method`, `.route` and more | what is known of the request, and its context |
//!
//! Permit.io has no place for the issuer in the key of a user. So its users are the subjects of *one* issuer entry: a server
//! with several must state which one ([`PermitBuilder::issued_by`]), and no question is asked about subjects of others.
//!
//! Only status `200` with a boolean `allow` decides. A key that is rejected (401, 403), a body that is (422), an engine that
//! is down (502) are errors, and no denials.
//!
//! # Facts
//!
//! Permit.io must know users and their roles: [`Permit::sync_user`], [`Permit::sync_tenant`], [`Permit::assign_role`],
//! [`Permit::unassign_role`], [`Permit::delete_user`]. Each may be repeated without harm: what is gone already is no error,
//! as far as Permit.io itself says so, and lists its users. They go to Permit.io's API, or
//! through the decision point, which can then wait until it knows what it was told ([`PermitBuilder::sync_through_pdp`]).
//! A [`PermitBridge`] does so for what Logto's webhooks say.

mod bridge;
mod builder;
mod check;
mod client;
mod lookup;
mod scope;
mod sync;
mod sync_error;
mod user;

pub use bridge::{BridgeStatus, LogtoUser, PermitBridge, PermitBridgeBuilder, Reconciled};
pub use builder::PermitBuilder;
pub use client::Permit;
pub use sync_error::SyncError;
pub use user::PermitUser;
