//! Access tokens: from unverified bytes to a verified [`AccessToken`].

mod access_token;
mod authentication;
pub(crate) mod bearer;
pub mod binding;
pub(crate) mod browser;
mod claims_error;
pub(crate) mod introspect;
mod provenance;
mod received;
mod subject;
mod times;
mod verified;
pub(crate) mod verify;

pub use access_token::AccessToken;
pub(crate) use authentication::Authentication;
pub use claims_error::ClaimsError;
pub use introspect::Introspection;
pub(crate) use provenance::{EntryVersion, IssuerId, Provenance};
pub use subject::{Subject, SubjectKind};
pub(crate) use times::{NumericDate, Times};
pub(crate) use verified::{Parties, Verified};
