//! Opaque tokens: the issuer is asked what they are worth (RFC 7662).
//!
//! A token without dots says nothing by itself. With an [`Introspection`] the issuer is asked, its answer is judged as the
//! claims of a signed token are, and kept for a short time under a digest of the token. A JWT is never sent anywhere.

mod answer;
mod ask;
mod settings;

pub(crate) use answer::Answer;
pub(crate) use ask::Introspector;
pub use settings::Introspection;
