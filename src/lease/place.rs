//! Where a lease belongs: what it is found by, when its token ends, and what is asked for it.

use std::time::Duration;

use super::groups::{LIVE_BOUND, Wanted};
use super::leases::Place;
use super::more::More;
use super::topic::{Topic, own_subject, topics};
use crate::engine::Grant;
use crate::rejection::Rejection;
use crate::time::milliseconds;

pub(super) fn place(grant: &Grant, more: Option<&More>) -> Result<Place, Rejection> {
    let rules = grant.requirement().rules();
    let watched = grant.token().zip(grant.clause_index()).filter(|_| !rules.is_shadow_only());
    let Some((token, clause)) = watched else {
        return Ok(Place { topics: Vec::new(), subject: None, ends_at: u64::MAX, wanted: Vec::new() });
    };
    let state = grant.requirement().state();
    let issuer = token.entry().issuer;
    let kept = rules.kept(clause, token, grant.organization())?;
    let entries = state.entries.load();
    let entry = entries.get(issuer);
    let leeway = entry.map_or(Duration::ZERO, |entry| entry.rules.leeway);
    let mut wanted = Vec::new();
    let most = more.and_then(|more| more.most_bound);
    if let Some((query, age)) = kept.permissions {
        let source = entry.and_then(|entry| entry.permissions.clone());
        let source = source.ok_or_else(|| Rejection::misconfigured("live permissions, and no source of them"))?;
        wanted.push(Wanted::new(issuer, source, query, age.unwrap_or(LIVE_BOUND), most));
    }
    let mut topics = topics(token, grant.organization());
    if kept.decisions || token.jws().is_none() {
        topics.push(Topic::Deciding(issuer));
    }
    if more.is_some_and(|more| more.listener.is_some()) {
        topics.push(Topic::Listening(issuer));
    }
    let ends_at = ends_at(token.times().expires_at.seconds(), leeway);
    let ends_at = kept.until.map_or(ends_at, |until| ends_at.min(self::ends_at(until, Duration::ZERO)));
    Ok(Place { topics, subject: Some(own_subject(token)), ends_at, wanted })
}

/// In milliseconds since the Unix epoch, rounded up: by then its time is over.
fn ends_at(seconds: f64, leeway: Duration) -> u64 {
    let ends_at = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    milliseconds(ends_at.saturating_add(leeway)).saturating_add(1)
}
