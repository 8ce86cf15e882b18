//! Whether a token passes a policy, as far as that can be said without running the application's code.

use http::HeaderName;
use http::request::Parts;

use super::compiled::{CompiledPolicy, sources};
use super::judge::{View, judge_clause};
use super::refusal::Refusal;
use super::scene::Code;
use crate::engine::Stop;
use crate::organization::RequestSource;
use crate::rejection::RejectionKind;
use crate::token::AccessToken;

impl CompiledPolicy {
    /// `None` where a written check, authorization details, a closure of a source or a decision point has the last word: none of them is asked.
    ///
    /// # Errors
    ///
    /// Returns what is missing, or what cannot be known now.
    pub(crate) fn judge_without_code(
        &self,
        token: &AccessToken,
        request: &mut Parts,
        view: &mut View<'_>,
    ) -> Result<Option<bool>, Stop> {
        if self.is_shadow_only() {
            return Ok(Some(true));
        }
        let mut depends = false;
        for compiled in &self.clauses {
            if sources(&compiled.clause).any(RequestSource::is_custom) {
                depends = true;
                continue;
            }
            let runs_code = compiled.clause.conditions.iter().any(super::condition::Condition::runs_code);
            match judge_clause(compiled, token, request, view, Code::Skipped).map_err(|refused| refused.refusal) {
                Ok(_) if runs_code => depends = true,
                Ok(_) => return Ok(Some(true)),
                Err(Refusal::Said(Stop::Reject(denial)))
                    if !matches!(denial.kind(), RejectionKind::Unavailable | RejectionKind::Misconfigured) => {}
                Err(Refusal::Said(stop)) => return Err(stop),
                Err(_) => {}
            }
        }
        Ok(if depends { None } else { Some(false) })
    }

    /// Whether a written check or a decision point has a say.
    pub(crate) fn runs_code(&self) -> bool {
        self.clauses.iter().flat_map(|compiled| &compiled.clause.conditions).any(super::condition::Condition::runs_code)
    }

    /// The headers that say what a request is about.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.clauses.iter().flat_map(|compiled| sources(&compiled.clause)).filter_map(RequestSource::header_name)
    }

    /// Whether a closure says what a request is about.
    pub(crate) fn reads_anything(&self) -> bool {
        self.clauses.iter().flat_map(|compiled| sources(&compiled.clause)).any(RequestSource::is_custom)
    }

    /// Whether each clause asks what the subject holds now, and tolerates no error.
    pub(crate) fn always_asks(&self) -> bool {
        self.clauses.iter().all(|compiled| {
            let freshness = &compiled.clause.freshness;
            freshness.is_asked() && freshness.on_error.is_none()
        })
    }
}
