//! From a rejection to the response that says it.

mod challenge;
mod response;

pub use challenge::ErrorCode;
pub(crate) use challenge::{Challenge, ChallengeSettings, Quotable};
pub use response::RejectionBody;
#[cfg(feature = "axum")]
pub(crate) use response::respond_unlayered;
pub(crate) use response::{Answers, ShapeBody};
