//! What all layers of one server share.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;

use super::known::{Known, Undecided, Wait};
use super::permits::Permits;
use super::respond::Answers;
use crate::bearer;
use crate::jwt::{self, Entries, Unverified, VerifiedTokens};
use crate::time::Clock;
use crate::token::AccessToken;

pub(crate) struct State {
    /// Read on every request; replaced as a whole when an issuer comes or goes.
    pub(crate) entries: ArcSwap<Entries>,
    pub(crate) verified: VerifiedTokens,
    pub(crate) permits: Permits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_token_bytes: usize,
    pub(crate) answers: Answers,
}

impl State {
    /// The request's token, verified; `None` when it carries none.
    pub(super) fn authenticate(
        &self,
        headers: &HeaderMap,
        known: &mut Known,
    ) -> Result<Option<AccessToken>, Undecided> {
        if let Some(token) = &known.token {
            return Ok(Some(token.clone()));
        }
        let Some(credentials) = bearer::find(headers, self.max_token_bytes)? else { return Ok(None) };
        let (entries, now) = (self.entries.load(), self.clock.now());
        // Taken out: whoever waits on need not hold it.
        let permit = known.permit.take();
        // A key that was waited for must be put to use.
        if known.key.is_none()
            && let Some(token) = self.verified.get(credentials.as_bytes(), &entries, now)?
        {
            return Ok(Some(token));
        }
        let permit = || permit.or_else(|| self.permits.try_acquire());
        let proven = jwt::verify(credentials.token()?, &entries, now, known.key.as_ref(), permit)?;
        let token = proven.token.clone();
        self.verified.insert(proven);
        Ok(Some(token))
    }
}

impl From<Unverified> for Undecided {
    fn from(unverified: Unverified) -> Self {
        match unverified {
            Unverified::Rejected(rejection) => Self::Rejected(rejection),
            Unverified::NeedsKey(missing) => Self::Waits(Wait::Key(missing)),
            Unverified::NeedsPermit => Self::Waits(Wait::Permit),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.load();
        let names: Vec<&str> = entries.iter().map(|entry| &*entry.rules.name).collect();
        f.debug_struct("State").field("issuers", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
