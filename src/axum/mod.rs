//! Integration with axum: a guard that takes handlers with their policies, and extractors.

mod audit;
mod authorizer;
#[cfg(feature = "utoipa")]
mod documented;
mod extract;
mod feed;
mod feed_route;
mod guard;
mod handler;
mod mcp;
mod metadata;
mod methods;
mod overlap;
mod path;
mod refuse;
mod route;
mod routes;
mod targets;
#[cfg(feature = "logto")]
mod webhooks;
mod websocket;
#[cfg(feature = "ws")]
pub mod ws;

pub use authorizer::Authorizer;
#[cfg(feature = "utoipa")]
pub use documented::{DocumentedGuard, DocumentedRoutes};
pub use extract::Claims;
pub use guard::Guard;
