//! Which of several clauses came nearest, and what its rejection says.

use super::compiled::CompiledClause;
use super::refusal::{Refusal, Refused, denied, missing_scopes};
use super::step_up::SignInView;
use crate::engine::Stop;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::token::{AccessToken, SubjectKind};

/// The rejection, or what is missing: said only once no clause has passed.
pub(super) fn settle(
    refused: Refused,
    compiled: &CompiledClause,
    token: &AccessToken,
    sign_in: &SignInView<'_>,
) -> Stop {
    let Refused { refusal, organization } = refused;
    let denial = match refusal {
        Refusal::Said(Stop::Need(need)) => return need.into(),
        Refusal::Said(Stop::Reject(denial)) => denial,
        refusal => rejection(&refusal, compiled, token, sign_in).unwrap_or_else(|| denied("a clause is not met")),
    };
    denial.by_clause(&compiled.text).in_organization(organization).into()
}

/// What a clause says by which a request is not granted; `None` if that is not known yet.
pub(super) fn rejection(
    refusal: &Refusal,
    compiled: &CompiledClause,
    token: &AccessToken,
    sign_in: &SignInView<'_>,
) -> Option<Rejection> {
    let clause = &compiled.clause;
    let required = || clause.required_scopes();
    Some(match refusal {
        Refusal::Said(Stop::Need(_)) => return None,
        Refusal::Said(Stop::Reject(denial)) => denial.clone(),
        Refusal::Disagreed => denied("the issuer and the source of live permissions disagree"),
        Refusal::SignIn(advice) => sign_in.rejection(compiled, token, advice.as_deref()),
        Refusal::Issuer => {
            let issuer = clause.issuer.as_ref().map(ToString::to_string).unwrap_or_default();
            denied(format!("the route takes tokens {issuer}"))
        }
        Refusal::Kind => denied(match token.subject().kind() {
            SubjectKind::Unknown => "the subject is of unknown kind: set machine_mark on its issuer".to_owned(),
            kind => format!("the subject is a {}", kind.as_str()),
        }),
        Refusal::Audience(remediation, detail) => {
            let denial = Rejection::new(RejectionKind::WrongModel, *remediation, *detail);
            denial.with_scopes(required(), Vec::new())
        }
        Refusal::Lacks => {
            let missing = missing_scopes(&clause.scopes, token);
            let (kind, detail) = (RejectionKind::InsufficientScope, format!("lacks {missing:?}"));
            Rejection::new(kind, Remediation::RequestScope, detail).with_scopes(required(), missing)
        }
    })
}

/// A 403 with `none`, however it is written: else two models would send a client to and fro.
pub(super) const DISAGREED: (u8, u8) = (4, 0);

/// What might still pass comes first, then what the client can do something about, the easiest first.
pub(super) fn nearness(kind: RejectionKind, remediation: Remediation) -> (u8, u8) {
    let kind = match kind {
        RejectionKind::Unavailable => 5,
        RejectionKind::InsufficientScope | RejectionKind::InsufficientUserAuthentication => 4,
        RejectionKind::OutdatedToken => 3,
        RejectionKind::WrongOrganization => 2,
        RejectionKind::WrongModel => 1,
        _ => 0,
    };
    let remediation = match remediation {
        Remediation::Refresh => 4,
        Remediation::RequestScope => 3,
        Remediation::Reconsent => 2,
        Remediation::StepUp => 1,
        _ => 0,
    };
    (kind, remediation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_up_ranks_between_reconsent_and_none_whatever_its_status() {
        use RejectionKind as K;
        let order = [
            nearness(K::InsufficientScope, Remediation::Refresh),
            nearness(K::InsufficientScope, Remediation::RequestScope),
            nearness(K::InsufficientScope, Remediation::Reconsent),
            nearness(K::InsufficientUserAuthentication, Remediation::StepUp),
            nearness(K::InsufficientScope, Remediation::None),
            nearness(K::OutdatedToken, Remediation::Refresh),
            nearness(K::WrongOrganization, Remediation::OrganizationToken),
            nearness(K::WrongModel, Remediation::ResourceToken),
            nearness(K::Denied, Remediation::None),
        ];
        assert!(order.is_sorted_by(|one, other| one > other), "{order:?}");
        assert_eq!(nearness(K::InsufficientScope, Remediation::None), DISAGREED);
    }
}
