//! Whether a token that was verified once would be verified again.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::times;
use crate::engine::{MissingKey, Stop};
use crate::issuer::keys::{Changes, Lookup, Sought};
use crate::issuer::{TrustedIssuer, TrustedIssuers};
use crate::rejection::Rejection;
use crate::signature::VerifyingKey;
use crate::time::Now;
use crate::token::{AccessToken, Provenance, Settled};

/// Of a token that this entry trusts, and that this key has verified.
pub(super) fn of(entry: &TrustedIssuer, key: &Arc<VerifyingKey>, kid: Option<&str>) -> Provenance {
    Provenance {
        leeway: entry.rules.leeway,
        key: Arc::downgrade(key),
        kid: kid.map(Into::into),
        algorithm: key.algorithm(),
        settled: Settled::default(),
    }
}

/// Whether the token would be verified the same way: by the same entry, with the same key, in its time. If not, there is no
/// telling but by verifying it anew.
///
/// # Errors
///
/// When the token's time is over, or has not come, or the key must be fetched first.
pub(crate) fn stands(
    token: &AccessToken,
    entries: &ArcSwap<TrustedIssuers>,
    changes: &Changes,
    now: &Now,
) -> Result<bool, Stop> {
    let Some((_, proof)) = token.jws() else { return Ok(false) };
    let (kid, times, leeway) = (proof.kid.as_deref(), token.times(), proof.leeway);
    let about = |rejection: Rejection| rejection.about(token.subject().entry().name(), kid);
    // Counted before anything is looked at: what changes meanwhile is looked at the next time.
    let changes = changes.count();
    if proof.settled.holds(changes, now) {
        times::judge(times, leeway, *now).map_err(about)?;
        return Ok(true);
    }
    let entries = entries.load();
    let Some((_, entry)) = entries.trusted(token.issuer()).filter(|(_, entry)| entry.rules.entry == token.entry())
    else {
        return Ok(false);
    };
    // Before the key, as with a new token: what has expired is not worth a fetch.
    times::judge_end(times, leeway, *now).map_err(about)?;
    match entry.keys.holds_until(&proof.key, kid, proof.algorithm, now.monotonic) {
        Some(until) => proof.settled.store(changes, until),
        // Asked as if it were new, so that a hit drives the refresh ahead as well, and waits where it must.
        None => match entry.keys.lookup(Sought::of(kid, proof.algorithm), None, now.monotonic) {
            Lookup::Key(_) if entry.keys.accepts(&proof.key, kid, proof.algorithm) => {}
            // Asked twice, it would take this for another request.
            Lookup::Wait(arrival) => {
                let is_new = times::is_new(times, *now);
                return Err(MissingKey::of(entry, Sought::of(kid, proof.algorithm), arrival, is_new).into());
            }
            Lookup::Key(_) | Lookup::Refused(_) => return Ok(false),
        },
    }
    times::judge_begin(times, leeway, *now).map_err(about)?;
    Ok(true)
}
