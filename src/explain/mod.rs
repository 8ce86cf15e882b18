//! Why a request passes or is rejected, step by step: for people who hold the token.
//!
//! [`Requirement::explain`](crate::engine::Requirement::explain) decides a request as the layer would and returns an
//! [`Explanation`]: every step with what was expected and what was found, and the response as it would be sent. It prints for
//! a terminal (`Display`) and serializes for tools (`Serialize`, with stable names).
//!
//! Nothing calls it in production by itself. It says more than a response may say: show it to those who hold the token or
//! operate the API, and do not send it to callers. It holds neither the token nor its signature nor the id of its subject.

mod display;
mod explanation;
mod recorder;
mod step;

pub use explanation::{Asked, ClauseExplanation, Explanation, Response, ShadowExplanation};
pub(crate) use recorder::Steps;
pub(crate) use step::shown;
pub use step::{Step, StepName, Verdict};
