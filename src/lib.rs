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

#[cfg(feature = "authzen")]
pub mod authzen;
mod bearer;
mod challenge;
pub mod decision;
mod error;
pub mod fetch;
mod json;
mod jwt;
pub mod keys;
#[cfg(feature = "live")]
pub mod live;
pub mod middleware;
#[cfg(feature = "introspection")]
mod opaque;
mod organization;
#[cfg(feature = "permit")]
pub mod permit;
pub mod policy;
mod rejection;
#[cfg(any(feature = "authzen", feature = "permit"))]
mod remote;
pub mod revocation;
#[cfg(feature = "axum")]
mod router;
mod scope;
mod scoped;
mod server;
mod signature;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
mod token;
pub mod webhooks;

pub use challenge::ErrorCode;
pub use error::ConfigError;
pub use jwt::{MachineMark, Profile, ScopeForm};
#[cfg(feature = "introspection")]
pub use opaque::Introspection;
pub use organization::{Organization, PathParams};
pub use policy::Policy;
pub use rejection::{Rejection, RejectionKind, Remediation};
#[cfg(feature = "axum")]
pub use router::{Claims, Decide, Guard};
pub use scope::Scope;
pub use server::{Builder, Issuer, ResourceServer, Webhooks};
pub use signature::Algorithm;
pub use token::{AccessToken, ClaimsError, Subject, SubjectKind};

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
