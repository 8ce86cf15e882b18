//! Turns a rejection into a response: challenges, body, gRPC form.

mod challenge;
mod response;

pub(crate) use challenge::{ChallengeSettings, Quotable};
pub use response::RejectionBody;
#[cfg(feature = "axum")]
pub(crate) use response::respond_unlayered;
pub(crate) use response::{Answers, ShapeBody};
