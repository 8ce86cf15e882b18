//! Why a clause does not pass.

use std::borrow::Cow;

use super::scopes::ScopeRule;
use crate::engine::Stop;
use crate::organization::Organization;
use crate::rejection::{Rejection, RejectionKind, Remediation, StepUp};
use crate::scope::Scope;
use crate::token::{AccessToken, SubjectKind};

/// Why a clause does not pass. What costs something to say is said only once no other clause has passed.
pub(super) enum Refusal {
    Issuer,
    Audience(Remediation, &'static str),
    Kind,
    Lacks,
    /// The user must sign in again, as the clause says or, above that, the decision point.
    SignIn(Option<Box<StepUp>>),
    /// The issuer and the source of live permissions disagree: no token will do, of this model or another.
    Disagreed,
    Said(Stop),
}

/// Why a clause does not pass, and the organization of the request that somebody else than the request vouches for.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) organization: Option<Organization>,
}

impl Refusal {
    /// The user must sign in again. A machine cannot.
    pub(super) fn sign_in(token: &AccessToken, advice: Option<&StepUp>) -> Self {
        match token.subject().kind() {
            SubjectKind::Machine => denied("the route requires another sign-in, and a machine has none").into(),
            _ => Self::SignIn(advice.cloned().map(Box::new)),
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(said: Rejection) -> Self {
        Self::Said(said.into())
    }
}

impl From<Stop> for Refusal {
    fn from(said: Stop) -> Self {
        Self::Said(said)
    }
}

pub(super) fn denied(detail: impl Into<Cow<'static, str>>) -> Rejection {
    Rejection::new(RejectionKind::Denied, Remediation::None, detail)
}

/// What is missing of the rules that do not hold.
pub(super) fn missing_scopes(rules: &[ScopeRule], token: &AccessToken) -> Vec<Scope> {
    let mut missing: Vec<Scope> = Vec::new();
    for rule in rules {
        let lacking = rule.scopes().iter().filter(|scope| !token.has_scope(scope.as_str()));
        let lacking: Vec<&Scope> = match rule {
            ScopeRule::Any(scopes) if scopes.iter().any(|scope| token.has_scope(scope.as_str())) => continue,
            _ => lacking.collect(),
        };
        for scope in lacking {
            if !missing.contains(scope) {
                missing.push(scope.clone());
            }
        }
    }
    missing
}
