//! A feed of permission changes, for the client that they concern.
//!
//! Logto's guides have clients poll, or hold a connection to a service of yours, to notice that a member's permissions have
//! changed. A [`Feed`] is that service: a stream of events (`GET …/permissions/events`) and the same as a question
//! (`GET …/permissions`), for the caller's own token and the organization of its request.
//!
//! ```
//! use std::time::Duration;
//! use orgate::feed::PermissionFeed;
//! use orgate::policy::{organization, path};
//! # use orgate::{Guard, Issuer, ResourceServer, permissions::{PermissionQuery, PermissionSource, Permissions, SourceError}};
//! # struct Source;
//! # impl PermissionSource for Source {
//! #     fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> orgate::future::BoxFuture<'a, Result<Permissions, SourceError>> {
//! #         Box::pin(async { Ok(Permissions::none()) })
//! #     }
//! # }
//! # fn main() -> Result<(), orgate::ConfigError> {
//! # let issuer = Issuer::new("https://tenant.logto.app/oidc").permissions(Source);
//! # let server = ResourceServer::builder(issuer, "https://api.example.com").build()?;
//! let may_see = organization(path("org")).fresh_within(Duration::from_secs(5));
//! let feed = PermissionFeed::new(may_see).scopes(["read:orders", "create:orders"]);
//!
//! let guard: Guard = server
//!     .guard()
//!     .get("/orgs/{org}/orders", async || "orders", organization(path("org")).scope("read:orders"))
//!     .permission_feed("/orgs/{org}/permissions", feed);
//! # let _: axum::Router = guard.into_router()?;
//! # Ok(())
//! # }
//! ```
//!
//! | event | data |
//! |---|---|
//! | `state`, the first | what the token holds, what its subject holds now, what was `lost` and `gained`, the `remediation`, `expires_at`, and whether the token passes each route of `?may=POST /orders` |
//! | `change` | the same, whenever it differs: each state is complete, so that nothing is lost with a connection |
//! | `undecided` | the permission source gives no answer; the stream goes on |
//! | `end`, the last | `reason` and `remediation`; with `retry` where the client may come again |
//!
//! **One judgement.** Each state comes from the engine and the table that decide requests: first the policy of the feed, then,
//! for each scope that differs, the policy that a route would have that requires it. What is sent with a remediation is an
//! answer in the conversation with that client about that scope, as a rejection would be: the client will come back with
//! another token. What it knows already, heartbeats and `may` are not.
//!
//! **Bounds.** A connection has no queue: events are made when the client reads. One that leaves what is due unread for too
//! long is ended. Connections are counted for each subject and in all.

mod body;
mod check;
mod connection;
mod end;
mod event;
#[allow(clippy::module_inception, reason = "named after its one type")]
mod feed;
mod look;
mod settings;
mod shown;
mod slots;
mod state;
mod target;
mod wake;

pub use body::FeedBody;
pub use feed::Feed;
pub use settings::PermissionFeed;
pub use target::Target;
