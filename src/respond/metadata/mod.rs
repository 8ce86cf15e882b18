//! Protected resource metadata (RFC 9728): where each document is, what it says, how it is served.

mod documents;
mod location;
mod settings;

pub(crate) use documents::{
    AuthorizationServers, Documents, MetadataDocument, Nearness, Rejected, SenderConstraint, nearest,
};
pub use settings::Metadata;
