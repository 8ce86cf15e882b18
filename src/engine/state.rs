//! What all layers of one server share.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::request::Parts;

use super::known::Known;
use super::need::{Need, Question, Stop};
use super::permits::Permits;
use crate::change::revocations::Revocations;
use crate::decision::Decider;
use crate::issuer::TrustedIssuers;
use crate::organization::matched_route;
use crate::permissions::Conversations;
use crate::permissions::LivePermissions;
use crate::policy::LiveView;
use crate::policy::{DecisionView, Granted, Rules, View};
use crate::rejection::Rejection;
use crate::respond::Answers;
use crate::time::{Clock, Now};
use crate::token::AccessToken;
use crate::token::bearer;
use crate::token::introspect::Introspector;
use crate::token::verify::{self, VerifiedTokens};

pub(crate) struct State {
    /// Read on every request; replaced as a whole when an issuer comes or goes.
    pub(crate) entries: ArcSwap<TrustedIssuers>,
    pub(crate) verified: VerifiedTokens,
    pub(crate) permits: Permits,
    pub(crate) revocations: Arc<dyn Revocations>,
    pub(crate) decider: Option<Decider>,
    pub(crate) introspector: Option<Arc<Introspector>>,
    pub(crate) live: Live,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_token_bytes: usize,
    pub(crate) answers: Answers,
}

/// What live policies rest on.
pub(crate) struct Live {
    pub(crate) permissions: Arc<LivePermissions>,
    pub(crate) conversations: Conversations,
}

impl State {
    /// The request's token, verified; `None` when it carries none.
    pub(crate) fn authenticate(
        &self,
        headers: &mut HeaderMap,
        known: &mut Known,
        now: &Now,
    ) -> Result<Option<AccessToken>, Stop> {
        if let Some(token) = &known.token {
            return self.still_good(token, *now).map(|()| Some(token.clone()));
        }
        let Some(credentials) = bearer::find(headers, self.max_token_bytes)? else { return Ok(None) };
        // Taken out: whoever waits on need not hold it.
        let permit = known.permit.take();
        // A key that was waited for must be put to use.
        if known.key.is_none()
            && let Some(token) = self.verified.get(credentials.as_bytes(), &self.entries, now)?
        {
            return Ok(Some(token));
        }
        let entries = self.entries.load();
        let permit = || permit.or_else(|| self.permits.try_acquire());
        let token = credentials.token()?;
        if let Some(outcome) = self.introspected(token, &entries, *now, known) {
            return outcome.map(Some);
        }
        let token = verify::verify(token, &entries, *now, known.key.as_ref(), permit)?;
        self.verified.insert(&token);
        Ok(Some(token))
    }
}

impl State {
    /// What the issuer says of a token that is opaque; `None` for any other, or if nobody can be asked.
    fn introspected(
        &self,
        token: &str,
        entries: &TrustedIssuers,
        now: Now,
        known: &mut Known,
    ) -> Option<Result<AccessToken, Stop>> {
        let introspector = self.introspector.as_ref().filter(|_| !token.contains('.'))?;
        let entry = entries.named(introspector.issuer_name())?;
        Some(match &known.answer {
            Some(answer) => answer.token(entry, now).map_err(Stop::Reject),
            None => Err(Need::Introspection(Question {
                introspector: introspector.clone(),
                token: token.into(),
                issuer: entry.clone(),
            })
            .into()),
        })
    }
}

impl State {
    /// Judges a policy by what is at hand.
    pub(crate) fn judge(
        &self,
        rules: &Rules,
        token: &AccessToken,
        request: &mut Parts,
        known: &mut Known,
        now: &Now,
    ) -> Result<Granted, Stop> {
        let about = |revoked| Rejection::from(revoked).about(token.subject().issuer(), None);
        self.revocations.judge(token, *now).map_err(about)?;
        let entries = rules.is_live().then(|| self.entries.load());
        let view = View {
            live: entries.as_ref().map(|entries| {
                let entry = entries.trusted(token.issuer()).map(|(_, entry)| entry);
                LiveView {
                    permissions: &self.live.permissions,
                    conversations: &self.live.conversations,
                    source: entry.and_then(|entry| entry.permissions.as_ref()),
                    arrival: *known.arrival.get_or_insert_with(|| self.live.permissions.arrival()),
                    waited: &known.permissions,
                    now: *now,
                    leeway: entry.map_or(std::time::Duration::ZERO, |entry| entry.rules.leeway),
                }
            }),
            decisions: DecisionView {
                decider: self.decider.as_ref(),
                decided: &known.decided,
                route: rules.asks_decisions().then(|| matched_route(request)).flatten(),
            },
        };
        rules.decide(token, request, &view)
    }
}

impl State {
    /// After a wait: its issuer may be gone, and its time over.
    fn still_good(&self, token: &AccessToken, now: Now) -> Result<(), Stop> {
        let entries = self.entries.load();
        let Some((_, entry)) = entries.trusted(token.issuer()) else {
            return Err(Rejection::invalid_token("the issuer is trusted no more").into());
        };
        verify::judge_times(token.times(), entry.rules.leeway, now).map_err(Stop::Reject)
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
