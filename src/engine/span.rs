//! Spans of decisions that wait: they show where the time went.

use http::request::Parts;
use tracing::Span;
use tracing::field::Empty;

use super::need::Need;
use super::outcome::Outcome;
use super::requirement::Requirement;
use crate::organization::matched_path;
use crate::rejection::Rejection;

/// The span of a decision about a request.
pub(super) fn deciding(requirement: &Requirement, request: &Parts) -> Span {
    tracing::info_span!(
        target: "orgate",
        "orgate.decide",
        route = matched_path(request),
        policy = requirement.policy(),
        outcome = Empty,
        kind = Empty,
    )
}

/// The span of a token that is verified without a request.
pub(super) fn verifying() -> Span {
    tracing::info_span!(target: "orgate", "orgate.verify", outcome = Empty, kind = Empty)
}

/// The span of one wait, below that of its decision.
pub(super) fn waiting(need: &Need) -> Span {
    macro_rules! wait {
        ($name:literal $(, $issuer:expr)?) => {
            tracing::info_span!(target: "orgate", $name $(, issuer = $issuer)?)
        };
    }
    match need {
        Need::Key(missing) => wait!("orgate.keys", &*missing.issuer.rules.name),
        Need::Permit => wait!("orgate.verification"),
        Need::Introspection(question) => wait!("orgate.introspection", &*question.issuer.rules.name),
        Need::Permissions(wanted) => wait!("orgate.permissions", wanted.query.issuer_name()),
        Need::Decisions(_) => wait!("orgate.decision_point"),
        Need::Proof(_) => wait!("orgate.replay_store"),
    }
}

/// What was decided, for whoever looks at the trace.
pub(super) fn conclude(span: &Span, rejection: Option<&Rejection>) {
    span.record("outcome", Outcome::of(rejection).as_str());
    if let Some(rejection) = rejection {
        span.record("kind", rejection.kind().as_str());
    }
}
