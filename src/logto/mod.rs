//! Logto: its Management API as a source of permissions, and its webhooks (feature `logto`).

mod management;
pub mod webhooks;

pub use management::{LogtoManagement, LogtoManagementBuilder};
