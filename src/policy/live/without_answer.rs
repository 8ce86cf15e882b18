//! A clause whose permission source does not answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{LiveView, held_where, lacks, passes};
use crate::meter::Instead;
use crate::permissions::{Freshness, PermissionDrift, PermissionQuery, Source, SourceError};
use crate::policy::clause::Clause;
use crate::policy::freshness::OnError;
use crate::policy::model::Model;
use crate::policy::refusal::Refusal;
use crate::policy::scene::Scene;
use crate::rejection::{Rejection, Remediation};

/// When to come again, if the source does not say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the clause says for the case that the source does not answer.
pub(super) fn without_answer(
    clause: &Clause,
    scene: &Scene<'_, '_>,
    view: &LiveView<'_>,
    source: &Source,
    query: &PermissionQuery,
    error: &SourceError,
) -> Result<PermissionDrift, Refusal> {
    let counts = Some(&view.permissions.counts).filter(|_| !scene.is_dry);
    let (token, organization) = (scene.token, scene.organization.as_ref());
    // A limit of ours opens no way: whoever reaches it would have the permission back.
    match clause.freshness.on_error.filter(|_| error.was_asked()) {
        Some(OnError::Stale(age)) => {
            let stale = view.permissions.known(source, query, Freshness::Within(age, view.arrival), None);
            let held = stale.as_ref().map(|stale| held_where(clause, &stale.permissions, organization).0);
            if let Some(held) = held.filter(|held| passes(clause, token, held)) {
                if let (Some(Model::Member { .. }), Some(organization), Some(changes)) =
                    (&clause.model, organization, view.changes)
                {
                    changes.judge_in(token, organization.id(), view.now)?;
                }
                if let Some(counts) = counts {
                    counts.stale.fetch_add(1, Ordering::Relaxed);
                    view.permissions.meter.note(|to| to.without_answer(Instead::StalePermissions));
                    tracing::warn!(target: "orgate", issuer = token.issuer_name(), %error, "stale permissions serve");
                }
                return Ok(PermissionDrift::between(token, &held));
            }
        }
        Some(OnError::TokenOnly) if !matches!(clause.model, Some(Model::Member { .. })) => {
            if let Some(counts) = counts {
                counts.token_only.fetch_add(1, Ordering::Relaxed);
                view.permissions.meter.note(|to| to.without_answer(Instead::TokenOnly));
                tracing::warn!(target: "orgate", issuer = token.issuer_name(), %error, "the token alone decides");
            }
            return if clause.holds(|scope| token.has_scope(scope)) {
                Ok(PermissionDrift::default())
            } else {
                Err(lacks(
                    clause,
                    token,
                    Remediation::RequestScope,
                    "the token lacks it, and the source does not know more",
                )
                .into())
            };
        }
        _ => {}
    }
    let retry_after = error.wants_retry_after().unwrap_or(RETRY_AFTER);
    Err(Rejection::unavailable(retry_after, format!("live permissions: {error}")).into())
}
