//! Live permissions: what a subject holds *now*, in contrast to what its token states.
//!
//! A token keeps its scopes until it expires, whatever happened since. Where a policy asks for the truth of now
//! ([`fresh_within`](crate::Policy::fresh_within), [`live`](crate::Policy::live)), a [`PermissionSource`] is asked, and the request is
//! judged by what the token and the source have in common.

mod conversation;
mod conversations;
mod drift;
mod flight;
mod ready;
mod slot;
pub(crate) mod source;
mod source_error;
mod store;
mod wanted;

pub(crate) use conversation::{Answer, Difference, Moment, Presented};
pub(crate) use conversations::{Authority, Conversations, Topic};
pub use drift::PermissionDrift;
pub(crate) use ready::all_ready;
pub(crate) use slot::{Freshness, Snapshot};
pub use source::{PermissionModel, PermissionQuery, PermissionSource, Permissions};
pub use source_error::SourceError;
pub use store::LiveCounts;
pub(crate) use store::{LivePermissions, Source, SourceId};
pub(crate) use wanted::{Waited, WantedPermissions};
