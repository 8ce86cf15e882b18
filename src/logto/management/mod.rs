//! Logto's Management API as a source of permissions.

mod api;
mod budget;
mod builder;
mod credential;
mod directory;
mod limits;
#[allow(clippy::module_inception, reason = "named after its one type")]
mod management;
mod memberships;
mod question;
mod reading;
mod records;
mod retry_after;
mod roles;
mod shared;
mod snapshot;
mod token;
mod transport;
mod waits;

pub use builder::LogtoManagementBuilder;
pub use management::LogtoManagement;
