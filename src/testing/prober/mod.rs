//! An audit beside the API that it is about: every role's token, sent to every route.

#[allow(clippy::module_inception, reason = "named after its one type")]
mod prober;
mod result;
mod subject;
mod tokens;

pub use prober::Prober;
pub use result::{Probe, ProbedCell};
pub use subject::{ProbeSubject, RoleTokens};
pub use tokens::TenantTokens;
