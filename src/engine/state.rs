//! What all requirements of one server share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::agreement::Agreements;
use super::observe::Observers;
use super::permits::Permits;
use crate::change::Changes;
use crate::decision::Decider;
use crate::issuer::TrustedIssuers;
use crate::lease::Leases;
use crate::meter::Meter;
use crate::permissions::{Conversations, LivePermissions};
use crate::respond::Responder;
use crate::scope::ScopeTexts;
use crate::time::{Clock, Now};
use crate::token::AccessToken;
use crate::token::binding::Bindings;
use crate::token::verify::VerifiedTokens;
use crate::trace::Hook;

pub(crate) struct State {
    /// Read on every request; replaced as a whole when an issuer is added or removed.
    pub(crate) entries: Arc<ArcSwap<TrustedIssuers>>,
    pub(crate) verified: VerifiedTokens,
    pub(crate) permits: Permits,
    pub(crate) changes: Arc<Changes>,
    pub(crate) decider: Option<Decider>,
    pub(crate) live: Live,
    pub(crate) leases: Arc<Leases>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_token_bytes: usize,
    /// How long all waits of a request may take together.
    pub(crate) max_wait: Duration,
    /// How long a request may wait for what is judged and not enforced.
    pub(crate) shadow_wait: Duration,
    pub(crate) agreements: Agreements,
    pub(crate) bindings: Bindings,
    pub(crate) responder: Responder,
    pub(crate) scopes: ScopeTexts,
    pub(crate) observers: Observers,
    pub(crate) meter: Meter,
    pub(crate) trace: Hook,
}

/// What live policies rest on.
pub(crate) struct Live {
    pub(crate) permissions: Arc<LivePermissions>,
    pub(crate) conversations: Conversations,
}

/// The server of a request that reaches its handler and was granted nothing: in the extensions, in place of a grant.
#[derive(Clone)]
pub(crate) struct Reached {
    pub(crate) state: Arc<State>,
    /// The policy that did not have to be met, or not yet, as it is printed; absent on public routes.
    pub(crate) policy: Option<Arc<str>>,
}

impl State {
    /// At least how far the clock of a token's issuer is ahead of ours, in seconds.
    pub(super) fn lead(&self, token: &AccessToken, now: &Now) -> f64 {
        let issuers = self.entries.load();
        issuers.trusted(token.issuer()).map_or(0.0, |(_, issuer)| issuer.clock.lead(issuer.rules.leeway, *now))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.load();
        let names: Vec<&str> = entries.iter().map(|entry| &*entry.rules.name).collect();
        f.debug_struct("State").field("issuers", &names).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reached").field("state", &self.state).field("policy", &self.policy).finish()
    }
}

#[cfg(test)]
mod tests;
