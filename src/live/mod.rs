//! What a subject holds *now*, beside what its token says.
//!
//! A token keeps its scopes until it expires, whatever happened since. Where a policy asks for the truth of now
//! ([`fresh`](crate::Policy::fresh), [`live`](crate::Policy::live)), a [`PermissionSource`] is asked, and the request is
//! judged by what the token and the source have in common.

mod flight;
mod logto;
mod marks;
mod slot;
mod source;
mod store;

pub use logto::{LogtoManagement, LogtoManagementBuilder};
pub use marks::Change;
pub(crate) use marks::Ticket;
pub(crate) use slot::{Need, Snapshot};
pub use source::{PermissionModel, PermissionQuery, PermissionSource, Permissions, SourceError};
pub use store::LiveCounts;
pub(crate) use store::{LivePermissions, Source};
