//! What a client receives whose user must sign in again (RFC 9470).

use std::sync::Arc;

use super::compiled::{CompiledClause, CompiledPolicy};
use super::condition::{Condition, refused};
use super::nearest::rejection;
use super::refusal::{denied, missing_scopes};
use crate::decision::Decision;
use crate::name::Span;
use crate::permissions::{Authority, Conversations, Difference, Moment, Presented, Topic};
use crate::rejection::{Rejection, RejectionKind, Remediation, StepUp};
use crate::time::Now;
use crate::token::{AccessToken, NumericDate};

const TOO_WEAK: &str = "the sign-in behind the token is too weak or too old for the route, or the token does not tell";

/// What a rejection depends on that asks for a sign-in: what the client was told before.
pub(crate) struct SignInView<'a> {
    pub(crate) conversations: &'a Conversations,
    pub(crate) now: Now,
    /// At least how far the issuer's clock is ahead of ours, in seconds. Only looked at if somebody must sign in.
    pub(crate) lead: &'a dyn Fn() -> f64,
    /// No conversation goes on.
    pub(crate) is_dry: bool,
}

/// How the user of a clause must have signed in.
pub(super) fn step_up(conditions: &[Condition]) -> Option<StepUp> {
    let acr = conditions.iter().find_map(|condition| match condition {
        Condition::Acr(acr) => Some(acr.values().clone()),
        _ => None,
    });
    let max_age = conditions.iter().find_map(|condition| match condition {
        Condition::MaxAuthAge(max) => Some(max.age()),
        _ => None,
    });
    StepUp::of(acr, max_age)
}

impl StepUp {
    /// Whether a user's sign-in is as required; `moment` is in seconds since the Unix epoch.
    pub(super) fn is_met(&self, token: &AccessToken, moment: f64) -> bool {
        let mut accepted = self.acr_values().peekable();
        let is_accepted = accepted.peek().is_none() || accepted.any(|value| token.acr() == Some(value));
        let is_recent = self.max_age().is_none_or(|age| {
            token.authentication().is_some_and(|authentication| authentication.was_within(age, moment))
        });
        is_accepted && is_recent
    }
}

impl SignInView<'_> {
    /// The rejection of a clause whose sign-in conditions are not met, or whose decision point gave this advice.
    pub(super) fn rejection(
        &self,
        compiled: &CompiledClause,
        token: &AccessToken,
        advice: Option<&StepUp>,
    ) -> Rejection {
        let of_clause = compiled.step_up.as_ref();
        let step_up = match advice {
            Some(advice) => advice.and(of_clause),
            None => match of_clause {
                Some(step_up) => step_up.clone(),
                None => return Rejection::misconfigured("a sign-in that nothing requires"),
            },
        };
        let advice = advice.map(|_| step_up.acr_values().collect::<Vec<_>>().join(" "));
        match self.step(token, (&compiled.text, advice.as_deref()), &step_up) {
            Remediation::StepUp => asking(compiled, token, step_up),
            _ => denied("new tokens of the client still do not show the sign-in that it was asked for"),
        }
    }

    fn step(
        &self,
        token: &AccessToken,
        (requirement, advice): (&Arc<str>, Option<&str>),
        step_up: &StepUp,
    ) -> Remediation {
        let topic = Topic {
            authority: Authority::Issuer(token.entry().issuer),
            subject: token.subject().shared_id(),
            client: token.client_id(),
            organization: None,
            requirement,
            advice,
        };
        let issued_at = token.times().issued_at.map(NumericDate::seconds);
        let presented = Presented { digest: token.digest(), issued_at, expires_at: token.times().expires_at.seconds() };
        let moment = Moment { now: self.now, lead: (self.lead)() };
        let difference = if issued_at.is_some_and(|issued| step_up.is_met(token, issued)) {
            Difference::SignInAgain
        } else {
            Difference::SignIn
        };
        if self.is_dry {
            return self.conversations.preview(&topic, presented, difference, true, moment).step;
        }
        let answer = self.conversations.answer(&topic, presented, difference, true, moment);
        if answer.left.is_some() {
            tracing::warn!(
                target: "orgate", issuer = token.issuer_name(), client = token.client_id(), requirement = &**requirement, sign_in = written(step_up),
                "the client was asked for another sign-in, and its new tokens do not show it: check that it sends acr_values and max_age to the issuer, and that the issuer puts acr and auth_time into access tokens"
            );
        }
        answer.step
    }
}

/// The challenge: what is required, and the scopes if one is missing too, so that one sign-in is enough.
fn asking(compiled: &CompiledClause, token: &AccessToken, step_up: StepUp) -> Rejection {
    let rejection = Rejection::new(RejectionKind::InsufficientUserAuthentication, Remediation::StepUp, TOO_WEAK);
    let missing = missing_scopes(&compiled.clause.scopes, token);
    let required = if missing.is_empty() { Vec::new() } else { compiled.clause.required_scopes() };
    rejection.with_scopes(required, missing).with_step_up(step_up)
}

fn written(step_up: &StepUp) -> String {
    let age = step_up.max_age().map(|age| format!("within {}", Span(age)));
    step_up.acr_values().map(str::to_owned).chain(age).collect::<Vec<_>>().join(" ")
}

impl CompiledPolicy {
    /// The rejection of a request that passed this clause, and whose handler the decision point told no: that of a clause that
    /// asks the point itself.
    pub(crate) fn denied_by(
        &self,
        decision: &Decision,
        clause: usize,
        token: &AccessToken,
        sign_in: &SignInView<'_>,
    ) -> Option<Rejection> {
        let compiled = self.clauses.get(clause)?;
        rejection(&refused(decision, token, sign_in.now), compiled, token, sign_in)
    }

    /// Judges again what time alone changes for a token that passed this clause: how long ago its user signed in.
    pub(crate) fn recheck(&self, clause: usize, token: &AccessToken, now: Now) -> Result<(), Rejection> {
        let Some(compiled) = self.clauses.get(clause) else { return Ok(()) };
        let is_met = |condition: &Condition| match condition {
            Condition::MaxAuthAge(max) => max.is_met(token, now),
            _ => true,
        };
        match &compiled.step_up {
            Some(step_up) if !compiled.clause.conditions.iter().all(is_met) => {
                Err(asking(compiled, token, step_up.clone()))
            }
            _ => Ok(()),
        }
    }
}
