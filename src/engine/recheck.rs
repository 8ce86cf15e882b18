//! Whether what was granted still stands.

use std::sync::Arc;

use super::decide::{has_its_key, still_trusted};
use super::grant::Grant;
use super::need::{Need, Stop};
use super::requirement::Requirement;
use super::resolve::RETRY_AFTER;
use super::state::State;
use crate::organization::{Organization, OrganizationProvenance};
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::time::Now;
use crate::token::AccessToken;

/// Judges times, changes, issuer entry and key of a granted token again, and how long ago its user signed in.
///
/// A request may wait for its service after it was granted, and a connection may outlive its token. What the policy says
/// about the request itself cannot have changed.
pub(crate) fn recheck(requirement: &Requirement, grant: &Grant, now: &Now) -> Result<(), Stop> {
    lapse(requirement.state(), grant, now).map_err(Stop::from)
}

/// Why what was granted no longer stands.
pub(crate) enum Lapse {
    /// The issuer is no longer trusted.
    IssuerRemoved(Rejection),
    /// The issuer's settings are others now: what they say of the token is known once it is verified anew.
    IssuerUpdated,
    /// The issuer no longer has the key.
    KeyGone,
    /// The key must be fetched to tell.
    Key(Box<Need>),
    /// Its time is over, it was revoked, or that cannot be known now.
    Rejected(Rejection),
}

/// The same, by its cause.
pub(crate) fn lapse(state: &Arc<State>, grant: &Grant, now: &Now) -> Result<(), Lapse> {
    let Some(token) = grant.token() else { return Ok(()) };
    let is_current = match still_trusted(state, token, *now) {
        Ok(is_current) => is_current,
        Err(rejection) if state.entries.load().trusted(token.issuer()).is_none() => {
            return Err(Lapse::IssuerRemoved(rejection));
        }
        Err(rejection) => return Err(Lapse::Rejected(rejection)),
    };
    // A change counts even while it is not known whether issuer and key still stand.
    let judged = match judge_changes(grant, token, now) {
        Err(rejection) if rejection.kind() != RejectionKind::Unavailable => return Err(Lapse::Rejected(rejection)),
        judged => judged,
    };
    if !is_current {
        return Err(Lapse::IssuerUpdated);
    }
    match has_its_key(state, token, now) {
        Ok(true) => {}
        Ok(false) => return Err(Lapse::KeyGone),
        Err(Stop::Need(need)) => return Err(Lapse::Key(Box::new(need))),
        Err(Stop::Reject(rejection)) => return Err(Lapse::Rejected(rejection)),
    }
    judged.map_err(Lapse::Rejected)
}

fn judge_changes(grant: &Grant, token: &AccessToken, now: &Now) -> Result<(), Rejection> {
    let (state, rules) = (grant.requirement().state(), grant.requirement().rules());
    state.changes.judge(token, *now)?;
    if let Some(clause) = grant.clause_index() {
        rules.recheck(clause, token, *now)?;
    }
    let of_token = |organization: &&Organization| organization.provenance() == OrganizationProvenance::Token;
    match grant.organization().filter(of_token) {
        Some(organization) => state.changes.judge_in(token, organization.id(), *now),
        None => Ok(()),
    }
}

impl From<Lapse> for Stop {
    fn from(lapse: Lapse) -> Self {
        match lapse {
            Lapse::IssuerRemoved(rejection) | Lapse::Rejected(rejection) => Self::Reject(rejection),
            Lapse::IssuerUpdated => {
                Rejection::unavailable(RETRY_AFTER, "the settings of the token's issuer have changed").into()
            }
            Lapse::KeyGone => {
                let detail = "the key or the issuer of the token is gone";
                Rejection::new(RejectionKind::KeyNotFound, Remediation::Refresh, detail).into()
            }
            Lapse::Key(need) => Self::Need(*need),
        }
    }
}
