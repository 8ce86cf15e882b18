//! Judges again what was granted before, while a connection lasts.

use http::request::Parts;

use super::decide::{judge_policy, viewed};
use super::evidence::Evidence;
use super::grant::Grant;
use super::need::Stop;
use super::recheck::recheck;
use super::requirement::Requirement;
use super::resolve::until_settled;
use crate::change::Epoch;
use crate::policy::{CompiledPolicy, Granted, View};
use crate::rejection::Rejection;
use crate::time::Now;
use crate::token::AccessToken;

/// One later look at what a token may do. Whatever it asks, it asks once: several policies are judged by the same answers.
///
/// It is neither recorded nor counted, and the sender proves nothing again.
pub(crate) struct Later<'a> {
    requirement: &'a Requirement,
    token: &'a AccessToken,
    evidence: Evidence,
}

/// What is judged at one instant.
pub(crate) struct Instant<'a> {
    requirement: &'a Requirement,
    token: &'a AccessToken,
    evidence: &'a mut Evidence,
    now: Now,
}

impl<'a> Later<'a> {
    /// `arrival`: what was asked after that counts, in the order of fetches and changes.
    pub(crate) fn new(requirement: &'a Requirement, token: &'a AccessToken, arrival: Epoch) -> Self {
        Self { requirement, token, evidence: Evidence::since(arrival) }
    }

    /// Judges at one instant, from what is at hand.
    ///
    /// # Errors
    ///
    /// Returns the errors of `judge`, including what is missing.
    pub(crate) fn at_hand<T>(&mut self, mut judge: impl FnMut(&mut Instant<'_>) -> Result<T, Stop>) -> Result<T, Stop> {
        let now = self.requirement.state().clock.now();
        judge(&mut Instant { requirement: self.requirement, token: self.token, evidence: &mut self.evidence, now })
    }

    /// Judges, and waits for what is missing: as long as a request does.
    pub(crate) async fn settle<T>(
        &mut self,
        mut judge: impl FnMut(&mut Instant<'_>) -> Result<T, Stop>,
    ) -> Result<T, Rejection> {
        let Self { requirement, token, evidence } = self;
        let decide =
            |evidence: &mut Evidence, now: &Now| judge(&mut Instant { requirement, token, evidence, now: *now });
        until_settled(requirement.state(), evidence, None, decide).await
    }
}

impl Instant<'_> {
    /// Whether the token, its issuer entry and its key still count.
    pub(crate) fn recheck(&self, grant: &Grant) -> Result<(), Stop> {
        recheck(self.requirement, grant, &self.now)
    }

    /// Judges a policy. `is_dry`: nothing comes of it.
    pub(crate) fn judge(&mut self, rules: &CompiledPolicy, request: &mut Parts, is_dry: bool) -> Result<Granted, Stop> {
        self.evidence.forget_request();
        judge_policy(self.requirement.state(), rules, self.token, request, self.evidence, &self.now, is_dry)
    }

    /// Whether the token passes a policy; `None` where the application's code or a decision point has the last word. Nothing
    /// comes of it.
    pub(crate) fn foresee(&mut self, rules: &CompiledPolicy, request: &mut Parts) -> Result<Option<bool>, Stop> {
        self.evidence.forget_request();
        let judge = |request: &mut Parts, view: &mut View<'_>| rules.judge_without_code(self.token, request, view);
        viewed((self.requirement.state(), rules, self.token), request, self.evidence, &self.now, true, judge)
    }
}
