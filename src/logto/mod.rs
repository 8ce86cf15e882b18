//! Logto: what its issuers look like ([`Issuer::logto`](crate::Issuer::logto)); with the feature `logto` its Management API as a
//! source of permissions, and its webhooks.

#[cfg(feature = "logto")]
mod management;
pub(crate) mod preset;
#[cfg(feature = "logto")]
pub mod webhooks;

#[cfg(feature = "logto")]
pub use management::{LogtoManagement, LogtoManagementBuilder};
