//! What all layers of one server share, and how a request's token is verified with it.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

use super::respond::Answers;
use crate::bearer;
use crate::jwt::{self, IssuerRules};
use crate::keys::{Arrival, KeyRefusal, KeyStore, Lookup};
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::signature::Algorithm;
use crate::time::Clock;
use crate::token::AccessToken;

pub(crate) struct State {
    pub(crate) entries: Arc<[IssuerRules]>,
    /// The keys of each entry, in the order of `entries`.
    pub(crate) keys: Vec<KeyStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_token_bytes: usize,
    pub(crate) answers: Answers,
}

/// Why there is no verified token at once.
pub(super) enum Delay {
    Rejected(Rejection),
    /// A key must be fetched first.
    NeedsKey(MissingKey),
}

/// The key that a token names and that is not there yet.
pub(super) struct MissingKey {
    pub(super) entry: usize,
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) arrival: Arrival,
}

impl From<Rejection> for Delay {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl State {
    /// The request's token, verified; `None` when it carries none.
    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Result<Option<AccessToken>, Delay> {
        let Some(token) = bearer::find(headers, self.max_token_bytes)? else { return Ok(None) };
        let now = self.clock.now();
        let find_key = |entry: usize, kid: Option<&str>, algorithm| match self
            .keys
            .get(entry)
            .map(|keys| keys.lookup(kid, algorithm, now.monotonic))
        {
            Some(Lookup::Key(key)) => Ok(key),
            Some(Lookup::Wait(arrival)) => {
                Err(Delay::NeedsKey(MissingKey { entry, kid: kid.map(str::to_owned), algorithm, arrival }))
            }
            Some(Lookup::Refused(refusal)) => Err(self.refused(refusal, entry, kid).into()),
            None => Err(self.refused(KeyRefusal::NoneFits, entry, kid).into()),
        };
        jwt::verify(token, &self.entries, now, find_key).map(Some)
    }

    pub(super) fn refused(&self, refusal: KeyRefusal, entry: usize, kid: Option<&str>) -> Rejection {
        let rejection = match refusal {
            KeyRefusal::NoneFits => Rejection::invalid_token("no key of the issuer fits the token's header"),
            KeyRefusal::NotInSet => Rejection::new(
                RejectionKind::KeyNotFound,
                Remediation::Refresh,
                "the kid is not in the issuer's key set, fetched to make sure",
            ),
            KeyRefusal::Unresolved => Rejection::new(
                RejectionKind::KeyUnresolved,
                Remediation::Retry,
                "unknown kid: the budget for fetches is spent, or the wait over",
            ),
            KeyRefusal::Unavailable(retry_after) => {
                Rejection::unavailable(retry_after, "the issuer's keys are not to be had")
            }
        };
        match self.entries.get(entry) {
            Some(rules) => rejection.about(&rules.name, kid),
            None => rejection,
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.entries.iter().map(|rules| &*rules.name).collect();
        f.debug_struct("State").field("issuers", &names).finish_non_exhaustive()
    }
}
