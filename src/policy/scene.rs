//! What a condition is judged by.

use std::sync::Arc;

use http::request::Parts;

use super::memory::CheckMemory;
use crate::decision::DecisionView;
use crate::explain::Steps;
use crate::organization::Organization;
use crate::time::Now;
use crate::token::AccessToken;

/// Whether what only the application or a decision point knows is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Runs,
    Skipped,
}

/// One clause being judged.
pub(super) struct Scene<'s, 'v> {
    pub(super) token: &'s AccessToken,
    pub(super) request: &'s mut Parts,
    pub(super) organization: Option<Organization>,
    /// Whether somebody else than the request vouches for the organization: the issuer, the policy or the permission source.
    pub(super) is_vouched: bool,
    pub(super) decisions: &'s DecisionView<'v>,
    pub(super) memory: &'s mut CheckMemory,
    pub(super) steps: &'s mut Steps,
    /// Nothing comes of the judgement: it is not counted, and no conversation goes on.
    pub(super) is_dry: bool,
    pub(super) now: Now,
    /// The resource indicators that the clause is about.
    pub(super) resources: &'s [Arc<str>],
    /// Which of the policy's models it is.
    pub(super) model: u8,
    pub(super) without_decision: bool,
}
