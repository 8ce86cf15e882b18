#![doc = include_str!("../README.md")]

mod bearer;
mod challenge;
mod error;
mod json;
mod jwt;
pub mod keys;
pub mod middleware;
mod organization;
pub mod policy;
mod rejection;
#[cfg(feature = "axum")]
mod router;
mod scope;
mod server;
mod signature;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
mod token;

pub use challenge::ErrorCode;
pub use error::ConfigError;
pub use jwt::{MachineMark, Profile, ScopeForm};
pub use organization::{Organization, PathParams};
pub use policy::Policy;
pub use rejection::{Rejection, RejectionKind, Remediation};
#[cfg(feature = "axum")]
pub use router::{Claims, Guard};
pub use scope::Scope;
pub use server::{Builder, Issuer, ResourceServer};
pub use signature::Algorithm;
pub use token::{AccessToken, ClaimsError, Subject, SubjectKind};
