// Where the README links to files, rustdoc links to pages: of two definitions the first one counts.
//! [issuers]: Issuer
//! [guard]: Guard
//! [design]: _documentation::design
//! [security]: _documentation::security
//! [changelog]: _documentation::changelog
//! [contributing]: _documentation::contributing
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod audit;
#[cfg(feature = "authzen")]
pub mod authzen;
#[cfg(feature = "axum")]
pub mod axum;
pub mod change;
pub mod decision;
pub mod engine;
mod error;
pub mod explain;
// Vendors ask in ways that nothing else does.
#[cfg_attr(not(feature = "logto"), allow(dead_code))]
mod flight;
pub mod future;
pub mod guide;
pub mod http;
pub mod issuer;
mod json;
mod lock;
#[cfg(feature = "logto")]
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

#[cfg(feature = "axum")]
pub use axum::{Claims, Guard};
pub use error::ConfigError;
pub use issuer::Issuer;
pub use organization::Organization;
pub use policy::Policy;
pub use rejection::Rejection;
pub use server::ResourceServer;
pub use token::AccessToken;

/// Pages to read, without code.
pub mod _documentation {
    #[doc = include_str!("../DESIGN.md")]
    pub mod design {}

    #[doc = include_str!("../SECURITY.md")]
    pub mod security {}

    #[doc = include_str!("../CHANGELOG.md")]
    pub mod changelog {}

    /// [design]: crate::_documentation::design
    /// [changelog]: crate::_documentation::changelog
    ///
    #[doc = include_str!("../CONTRIBUTING.md")]
    pub mod contributing {}
}
