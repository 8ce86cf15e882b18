//! Why a branch does not pass, and which of several branches came nearest.

use std::borrow::Cow;

use super::alternative::ScopeRule;
use super::rules::Branch;
use crate::engine::Stop;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::scope::Scope;
use crate::token::AccessToken;

/// Why a branch does not pass. What costs something to say is said only once no other branch has passed.
pub(super) enum Refusal {
    Issuer,
    Audience(Remediation, &'static str),
    Kind,
    Lacks,
    /// The issuer and the source of live permissions disagree: no token will do, of this model or another.
    Disagreed,
    Said(Stop),
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

impl Refusal {
    pub(super) fn settle(self, branch: &Branch, token: &AccessToken) -> Stop {
        let required = || branch.alternative.required_scopes();
        match self {
            Self::Said(said) => said,
            Self::Disagreed => denied("the issuer and the source of live permissions disagree").into(),
            Self::Issuer => {
                let issuer = branch.alternative.issuer.as_ref().map(ToString::to_string).unwrap_or_default();
                denied(format!("the route takes tokens {issuer}")).into()
            }
            Self::Kind => denied(format!("the subject is a {:?}", token.subject().kind())).into(),
            Self::Audience(remediation, detail) => {
                let denial = Rejection::new(RejectionKind::WrongModel, remediation, detail);
                denial.with_scopes(required(), Vec::new()).into()
            }
            Self::Lacks => {
                let missing = missing_scopes(&branch.alternative.scopes, token);
                let (kind, detail) = (RejectionKind::InsufficientScope, format!("lacks {missing:?}"));
                Rejection::new(kind, Remediation::RequestScope, detail).with_scopes(required(), missing).into()
            }
        }
    }
}

/// A 403 with `none`, however it is written: else two models would send a client to and fro.
pub(super) const DISAGREED: (u8, u8) = (4, 0);

/// What might still pass comes first, then what the client can do something about, the easiest first.
pub(super) fn nearness(kind: RejectionKind, remediation: Remediation) -> (u8, u8) {
    let kind = match kind {
        RejectionKind::Unavailable => 5,
        RejectionKind::InsufficientScope => 4,
        RejectionKind::OutdatedToken => 3,
        RejectionKind::WrongOrganization => 2,
        RejectionKind::WrongModel => 1,
        _ => 0,
    };
    let remediation = match remediation {
        Remediation::Refresh => 3,
        Remediation::RequestScope => 2,
        Remediation::Reconsent => 1,
        _ => 0,
    };
    (kind, remediation)
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
