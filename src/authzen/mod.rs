//! A client for decision points that speak OpenID AuthZEN (Authorization API 1.0): Cerbos, Topaz, OpenFGA, Permit.io
//! and others. Feature `authzen`.
//!
//! [`AuthZen`] is a [`DecisionPoint`](crate::decision::DecisionPoint). Give it to a
//! [`Decider`](crate::decision::Decider), which remembers decisions for some seconds.
//!
//! ```
//! use orgate::authzen::AuthZen;
//! use orgate::decision::Decider;
//!
//! let pdp = AuthZen::builder("https://pdp.example.com").bearer_token("s3cret").build()?;
//! let decider = Decider::builder(pdp).build()?;
//! # Ok::<(), orgate::ConfigError>(())
//! ```
//!
//! # What the point is told
//!
//! ```json
//! {
//!   "subject": {
//!     "type": "user",
//!     "id": "user_1",
//!     "properties": { "issuer": "https://tenant.logto.app/oidc", "client_id": "web", "scopes": ["read:documents"] }
//!   },
//!   "action": { "name": "edit" },
//!   "resource": { "type": "document", "id": "d-17", "properties": { "tenant": "org_a" } },
//!   "context": { "issuer": "https://tenant.logto.app/oidc", "organization": "org_a", "method": "PUT", "route": "/documents/{id}" }
//! }
//! ```
//!
//! The subject's type is `user`, `machine` or `unknown`; `issuer` is the first `iss` value of the issuer entry, since
//! ids are unique only within one: policies at the point must look at it wherever they look at an id; the tenant is the verified organization. Properties and context of the request stand beside these,
//! and never in their place. A point with habits of its own is met by [`AuthZenBuilder::map`].
//!
//! # What its answer means
//!
//! Only status `200` with a boolean `decision` decides. All else is a
//! [`DecisionError`](crate::decision::DecisionError), and no denial: an answer that is no decision lets nothing pass, and
//! is not remembered either. Of `context`, `reason` goes to the log; `obligations` make a denial of an allow, unless
//! [`AuthZenBuilder::on_obligation`] handles each of them; everything else is ignored.

mod answer;
mod builder;
mod client;
mod discovery;
mod evaluation;

pub use builder::AuthZenBuilder;
pub use client::{AuthZen, Semantic};
pub use evaluation::Evaluation;
