//! Turns a rejection into a response: challenges, body, gRPC form.

mod challenge;
mod response;

pub(crate) use challenge::{ChallengeSettings, Quotable};
pub use response::RejectionBody;
pub(crate) use response::{DPOP_NONCE, Responder, ShapeBody};
