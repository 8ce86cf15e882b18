//! What was granted, judged again while it is used.

use http::request::Parts;

use super::decide::{authenticate, grant_anew, live_view};
use super::evidence::Evidence;
use super::grant::Grant;
use super::need::Stop;
use super::resolve::until_settled;
use crate::change::Epoch;
use crate::permissions::Waited;
use crate::policy::LiveView;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::time::Now;
use crate::token::AccessToken;
use crate::token::bearer::Credentials;

/// The token that is to be granted what another one was.
#[derive(Clone, Copy)]
pub(crate) enum Presented<'t> {
    /// As a client sent it.
    Text(&'t str),
    /// The same one.
    Same(Option<&'t str>),
}

/// Why a token is not granted what another one was.
pub(crate) enum NotRenewed {
    /// It is not valid here, not in the other one's place, or that cannot be known now.
    Unfit(Rejection),
    /// It could take the other one's place, and does not meet the policy.
    Lesser(Rejection),
}

/// Whether the subject of a grant still has the permissions for it, by what was waited for since `arrival`.
pub(crate) fn still_permits(grant: &Grant, arrival: Epoch, waited: &[Waited], now: &Now) -> Result<(), Stop> {
    let (Some(token), Some(clause)) = (grant.token(), grant.clause_index()) else { return Ok(()) };
    let (state, rules) = (grant.requirement().state(), grant.requirement().rules());
    let entries = state.entries.load();
    let issuer = entries.trusted(token.issuer()).map(|(_, issuer)| issuer);
    let live = LiveView { serves_known: false, ..live_view(state, issuer, arrival, waited, *now) };
    rules.still_permits(clause, token, grant.organization(), &live)
}

/// Decides whether a token is granted what another one was: the same subject, through the same client, with the same proof of
/// its sender, for the same organization.
pub(crate) async fn grant_again(
    before: &Grant,
    presented: Presented<'_>,
    request: &mut Parts,
) -> Result<Grant, NotRenewed> {
    let Some(old) = before.token() else {
        let detail = "a grant without a token cannot be renewed";
        return Err(NotRenewed::Unfit(Rejection::new(RejectionKind::Denied, Remediation::None, detail)));
    };
    let (requirement, state) = (before.requirement(), before.requirement().state());
    let mut evidence = Evidence::default();
    let text = match presented {
        Presented::Text(text) | Presented::Same(Some(text)) => text,
        Presented::Same(None) => "",
    };
    // What the issuer said of an opaque token is asked for again.
    if matches!(presented, Presented::Same(_)) && old.jws().is_some() {
        evidence.token = Some(old.clone());
    }
    let mut is_fit = false;
    let decide = |evidence: &mut Evidence, now: &Now| {
        is_fit = false;
        let credentials = Credentials::of(text, state.max_token_bytes)?;
        let token = authenticate(state, credentials, evidence, now)?;
        takes_the_place_of(old, &token)?;
        is_fit = true;
        let decided = grant_anew(requirement, (token.clone(), text), before, request, evidence, now);
        if decided.is_err() {
            evidence.token = Some(token);
        }
        decided
    };
    let decided = until_settled(state, &mut evidence, None, decide).await;
    let grant = decided.map_err(|rejection| not_renewed(rejection, is_fit))?;
    if is_about_another(before, &grant) {
        let detail = "the token is granted the same for another organization";
        let rejection = Rejection::new(RejectionKind::WrongOrganization, Remediation::OrganizationToken, detail);
        return Err(NotRenewed::Unfit(rejection));
    }
    Ok(grant.without_response())
}

fn not_renewed(rejection: Rejection, is_fit: bool) -> NotRenewed {
    let is_lesser = matches!(
        rejection.kind(),
        RejectionKind::InsufficientScope | RejectionKind::OutdatedToken | RejectionKind::Denied
    );
    if is_fit && is_lesser { NotRenewed::Lesser(rejection) } else { NotRenewed::Unfit(rejection) }
}

fn takes_the_place_of(old: &AccessToken, new: &AccessToken) -> Result<(), Rejection> {
    let differs = if old.entry().issuer != new.entry().issuer {
        "issuer"
    } else if old.subject() != new.subject() || old.subject().kind() != new.subject().kind() {
        "subject"
    } else if old.client_id() != new.client_id() {
        "client"
    } else if old.confirmation() != new.confirmation() {
        "sender constraint"
    } else if !old.actors().eq(new.actors()) {
        "actor"
    } else {
        return Ok(());
    };
    let detail = format!("the new token has another {differs} than the current one");
    Err(Rejection::invalid_token(detail))
}

fn is_about_another(before: &Grant, after: &Grant) -> bool {
    let of = |grant: &Grant| grant.organization().map(|it| (it.clone(), it.provenance()));
    let rules = before.requirement().rules();
    let read_alike = match (before.clause_index(), after.clause_index()) {
        (Some(one), Some(other)) => rules.reads_alike(one, other),
        _ => false,
    };
    of(before) != of(after) || !read_alike
}
