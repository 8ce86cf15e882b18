//! What an issuer said of a token, judged.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{Response, StatusCode};

use super::settings::Introspection;
use crate::change::{Epoch, Introspected};
use crate::issuer::TrustedIssuer;
use crate::json::Object;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::time::Now;
use crate::token::verify::{judge_introspected, judge_times};
use crate::token::{AccessToken, NumericDate, Verified};

/// How long a failure is the answer for everybody who asks.
const KEEP_FAILURES: Duration = Duration::from_secs(1);

/// What is known of one token.
pub(crate) struct Answer {
    outcome: Result<AccessToken, Rejection>,
    /// Whose rules it was judged by.
    entry: Weak<TrustedIssuer>,
    /// When the issuer was asked.
    asked: Epoch,
    /// Monotonic.
    ends: Duration,
}

impl Answer {
    /// The issuer could not be asked, or did not answer the question.
    pub(super) fn failed(entry: &Arc<TrustedIssuer>, detail: &str, now: Now) -> Self {
        let rejection = Rejection::unavailable(KEEP_FAILURES, format!("introspection: {detail}"));
        // A failure says nothing that could change.
        Self::new(entry, Err(rejection.about(&entry.rules.name, None)), KEEP_FAILURES, Epoch::LAST, now)
    }

    /// The issuer answered; asked at `now`.
    pub(super) fn of(
        response: &Response<bytes::Bytes>,
        entry: &Arc<TrustedIssuer>,
        settings: &Introspection,
        digest: [u8; 32],
        (asked, now): (Epoch, Now),
    ) -> Self {
        if response.status() != StatusCode::OK {
            return Self::failed(entry, &format!("status {}", response.status()), now);
        }
        match read(response.body(), entry, settings, digest, now) {
            Err(detail) => Self::failed(entry, &detail, now),
            Ok(outcome) => {
                let keep = if outcome.is_ok() { settings.keep } else { settings.keep_refusals };
                Self::new(
                    entry,
                    outcome.map_err(|rejection| rejection.about(&entry.rules.name, None)),
                    keep,
                    asked,
                    now,
                )
            }
        }
    }

    fn new(
        entry: &Arc<TrustedIssuer>,
        outcome: Result<AccessToken, Rejection>,
        keep: Duration,
        asked: Epoch,
        now: Now,
    ) -> Self {
        // Not beyond `exp`, without leeway: then the issuer may be asked again.
        let left =
            outcome.as_ref().map_or(f64::MAX, |token| token.times().expires_at.seconds() - now.unix.as_secs_f64());
        let keep = Duration::try_from_secs_f64(left.max(0.0)).map_or(keep, |left| left.min(keep));
        Self { outcome, entry: Arc::downgrade(entry), asked, ends: now.monotonic.saturating_add(keep) }
    }

    /// Whether the issuer did not answer the question.
    pub(super) fn is_failure(&self) -> bool {
        self.outcome.as_ref().is_err_and(|rejection| rejection.kind() == RejectionKind::Unavailable)
    }

    /// What it takes of memory, in bytes, about.
    pub(super) fn weight(&self) -> u32 {
        let token = self.outcome.as_ref().map_or(0, |token| 2 * token.payload().len());
        u32::try_from(256 + token).unwrap_or(u32::MAX)
    }

    /// Whether it still serves, for tokens of this entry.
    pub(super) fn serves(&self, entry: &Arc<TrustedIssuer>, now: Now) -> bool {
        now.monotonic < self.ends && self.is_of(entry) && self.is_true(entry)
    }

    /// Whether the issuer was asked after this moment. Of a failure it is not known, and it serves.
    pub(super) fn is_later_than(&self, moment: Epoch) -> bool {
        self.asked > moment
    }

    /// Whether nothing has changed at the issuer since it was asked.
    pub(crate) fn is_true(&self, entry: &TrustedIssuer) -> bool {
        let latest = match &self.outcome {
            Ok(token) => entry.lasting.invalidations.latest_of_token(Introspected {
                subject: token.subject().id(),
                client: token.client_id(),
                token_id: token.token_id(),
                organizations: token.organizations(),
            }),
            Err(_) => entry.lasting.invalidations.latest_of_all(),
        };
        self.asked > latest
    }

    fn is_of(&self, entry: &Arc<TrustedIssuer>) -> bool {
        Weak::as_ptr(&self.entry) == Arc::as_ptr(entry)
    }

    /// The token, if its time has not run out since.
    pub(crate) fn token(&self, entry: &Arc<TrustedIssuer>, now: Now) -> Result<AccessToken, Rejection> {
        let about = |rejection: Rejection| rejection.about(&entry.rules.name, None);
        if !self.is_of(entry) {
            return Err(about(Rejection::unavailable(KEEP_FAILURES, "the issuer was replaced while it was asked")));
        }
        let token = self.outcome.clone()?;
        judge_times(token.times(), entry.rules.leeway, now).map_err(about)?;
        Ok(token)
    }
}

/// RFC 7662 section 2.2. The error is an answer that is none, not even JSON.
fn read(
    body: &[u8],
    entry: &TrustedIssuer,
    settings: &Introspection,
    digest: [u8; 32],
    now: Now,
) -> Result<Result<AccessToken, Rejection>, String> {
    let claims = Object::document(body)?;
    let inactive = |detail| Ok(Err(Rejection::new(RejectionKind::InvalidToken, Remediation::Refresh, detail)));
    if claims.get::<bool>("active") != Ok(Some(true)) {
        return inactive("the issuer says that the opaque token is not active");
    }
    // A refresh token can be active too, and has no type, or another one.
    let token_type = claims.string("token_type").ok().flatten();
    let is_type = |name: &str| token_type.as_ref().is_some_and(|token_type| token_type.eq_ignore_ascii_case(name));
    let takes_proof = is_type("DPoP");
    if !takes_proof && !is_type("Bearer") {
        return inactive("the opaque token is active, and neither a Bearer nor a DPoP token");
    }
    let ends_at_last = NumericDate::new(now.unix.saturating_add(settings.keep).as_secs_f64()).ok_or("no time")?;
    let verified = judge_introspected(&claims, &entry.rules, now, settings.without_audience, ends_at_last);
    let is_bound = |verified: &Verified| verified.confirmation.as_ref().is_some_and(|cnf| cnf.key().is_some());
    if takes_proof && verified.as_ref().is_ok_and(|verified| !is_bound(verified)) {
        return inactive("the opaque token is a DPoP token, and cnf names no key");
    }
    Ok(verified.map(|verified| AccessToken::mint_introspected(verified, body, digest)))
}
