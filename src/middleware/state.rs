//! What all layers of one server share.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;

use super::respond::Answers;
use crate::bearer;
use crate::jwt::{self, AwaitedKey, Entries, Unverified};
use crate::time::Clock;
use crate::token::AccessToken;

pub(crate) struct State {
    /// Read on every request; replaced as a whole when an issuer comes or goes.
    pub(crate) entries: ArcSwap<Entries>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_token_bytes: usize,
    pub(crate) answers: Answers,
}

impl State {
    /// The request's token, verified; `None` when it carries none. `awaited` is the key that an earlier try lacked.
    pub(super) fn authenticate(
        &self,
        headers: &HeaderMap,
        awaited: Option<AwaitedKey>,
    ) -> Result<Option<AccessToken>, Unverified> {
        let Some(token) = bearer::find(headers, self.max_token_bytes)? else { return Ok(None) };
        jwt::verify(token, &self.entries.load(), self.clock.now(), awaited).map(Some)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.load();
        let names: Vec<&str> = entries.iter().map(|entry| &*entry.rules.name).collect();
        f.debug_struct("State").field("issuers", &names).finish_non_exhaustive()
    }
}
