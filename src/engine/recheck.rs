//! Whether what was granted still stands.

use super::decide::{has_its_key, still_trusted};
use super::grant::Grant;
use super::need::Stop;
use super::requirement::Requirement;
use super::resolve::RETRY_AFTER;
use crate::organization::{Organization, OrganizationProvenance};
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::time::Now;

/// Judges times, changes, issuer entry and key of a granted token again, and how long ago its user signed in.
///
/// A request may wait for its service after it was granted, and a connection may outlive its token. What the policy says
/// about the request itself cannot have changed.
pub(crate) fn recheck(requirement: &Requirement, grant: &Grant, now: &Now) -> Result<(), Stop> {
    let Some(token) = grant.token() else { return Ok(()) };
    let state = requirement.state();
    if !still_trusted(state, token, *now)? {
        // What the new settings say of it is known once it is verified anew.
        return Err(Rejection::unavailable(RETRY_AFTER, "the settings of the token's issuer have changed").into());
    }
    if !has_its_key(state, token, now)? {
        let detail = "the key or the issuer of the token is gone";
        return Err(Rejection::new(RejectionKind::KeyNotFound, Remediation::Refresh, detail).into());
    }
    state.changes.judge(token, *now)?;
    if let Some(clause) = grant.clause_index() {
        requirement.rules().recheck(clause, token, *now)?;
    }
    let of_token = |organization: &&Organization| organization.provenance() == OrganizationProvenance::Token;
    match grant.organization().filter(of_token) {
        Some(organization) => Ok(state.changes.judge_in(token, organization.id(), *now)?),
        None => Ok(()),
    }
}
