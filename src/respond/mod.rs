//! Turns a rejection into a response: challenges, body, gRPC form.

mod challenge;
mod metadata;
mod plain;
mod problem;
mod quotable;
mod response;
mod written;

pub(crate) use challenge::{ChallengeSettings, Wanted};
pub use metadata::Metadata;
#[allow(unused_imports, reason = "for the guard of axum, which has a feature of its own")]
pub(crate) use metadata::nearest;
pub(crate) use metadata::{AuthorizationServers, Documents, MetadataDocument, Nearness, Rejected, SenderConstraint};
pub(crate) use plain::plain;
pub(crate) use quotable::Quotable;
pub use response::RejectionBody;
pub(crate) use response::{DPOP_NONCE, Responder, ShapeBody};
