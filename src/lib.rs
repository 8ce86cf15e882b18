// In the repository, the README links to files; here it links to pages. Of two definitions of a link the first one counts.
#![doc = concat!("[picture]: data:image/svg+xml;base64,", include_str!("../docs/guide/token.svg.b64"), "\n\n")]
#![doc = include_str!("../docs/links.md")]
#![doc = ""]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod audit;
#[cfg(feature = "authzen")]
pub mod authzen;
#[cfg(feature = "axum")]
pub mod axum;
mod bounded;
pub mod change;
pub mod decision;
pub mod engine;
mod error;
pub mod explain;
pub mod feed;
// Vendors ask in ways that nothing else does.
#[cfg_attr(not(feature = "logto"), allow(dead_code))]
mod flight;
pub mod future;
pub mod guide;
pub mod http;
#[cfg(test)]
mod interleave;
pub mod issuer;
mod json;
pub mod lease;
mod lock;
pub mod logto;
pub mod mcp;
#[cfg_attr(not(all(feature = "logto", feature = "metrics")), allow(dead_code))]
mod meter;
#[cfg(feature = "metrics")]
pub mod metrics;
mod name;
pub mod observe;
#[cfg(feature = "utoipa")]
pub mod openapi;
pub mod organization;
pub mod permissions;
#[cfg(feature = "permit")]
pub mod permit;
pub mod policy;
pub mod rejection;
pub mod respond;
pub mod route;
pub mod scope;
mod scoped;
pub mod server;
mod signature;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod token;
pub mod tower;
pub mod trace;
pub mod websocket;

#[cfg(feature = "axum")]
pub use axum::{Claims, Guard};
pub use error::ConfigError;
pub use issuer::Issuer;
pub use organization::Organization;
pub use policy::Policy;
pub use rejection::Rejection;
pub use server::ResourceServer;
pub use token::AccessToken;
