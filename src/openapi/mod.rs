//! OpenAPI documents (feature `utoipa`): what each route requires, from its policy.
//!
//! [`ResourceServer::documented_guard`](crate::ResourceServer::documented_guard) takes utoipa's `routes!(..)` with a policy,
//! and returns a router and a document that say the same. Who keeps an `OpenApiRouter` describes its path items with
//! [`describe`], and other generators take [`Policy::security`](crate::Policy::security).

mod operation;
mod responses;
mod scheme;

pub(crate) use operation::{apply, methods, operations};
pub use operation::{describe, describe_public};
pub(crate) use responses::add_problem;
pub use scheme::Scheme;
pub(crate) use scheme::Schemes;
