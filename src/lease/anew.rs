//! Deciding anew whether a lease is granted: after a change of an issuer's settings, of what a decision point rests on, or of
//! what an issuer says of an opaque token.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ended::{EndReason, Ended};
use super::leases::Task;
use super::right::{Cause, RETRY, Right, undecided};
use super::watch::Watch as _;
use crate::engine::{Lapse, NotRenewed, Presented, grant_again, lapse};
use crate::issuer::keys::jitter;
use crate::rejection::{RejectionKind, Remediation};

/// After a change of settings it begins within this time.
const SOON: Duration = Duration::from_secs(2);

/// Why it is decided anew.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Anew {
    /// The issuer's keys must be fetched to tell.
    Key,
    /// The issuer does not seem to have the key.
    KeyGone,
    /// The issuer's settings are others now.
    Updated,
}

impl Right {
    /// Has it decided anew. Where no runtime can do that, what is not known to stand ends.
    pub(super) fn decide_anew(&self, why: Anew) -> bool {
        if self.is_anew.swap(true, Ordering::AcqRel) {
            return false;
        }
        let leases = &self.state.leases;
        if let Some(id) = self.id().filter(|_| leases.can_drive()) {
            let put_off = if why == Anew::Updated { SOON.mul_f64(jitter()) } else { Duration::ZERO };
            leases.schedule(self.state.clock.now().monotonic + put_off, Task::Rejudge(id));
            return false;
        }
        self.is_anew.store(false, Ordering::Release);
        match why {
            Anew::Key => return false,
            Anew::KeyGone => self.end(Ended::new(EndReason::KeyWithdrawn, Remediation::Refresh)),
            Anew::Updated => self.end(Ended::retry(EndReason::IssuerUpdated, RETRY)),
        }
        true
    }

    pub(super) async fn decided_anew(&self) {
        let grant = self.grant();
        self.is_anew.store(false, Ordering::Release);
        if self.ended().is_some() {
            return;
        }
        let Some(mut request) = self.request(&grant) else {
            return self.end(undecided(RETRY));
        };
        let Some(token) = grant.token() else { return };
        let text = match token.jws() {
            Some((text, _)) => std::str::from_utf8(text).ok(),
            None => grant.opaque().or_else(|| self.more().and_then(|more| more.opaque.as_deref())),
        };
        let was_updated = matches!(lapse(&self.state, &grant, &self.state.clock.now()), Err(Lapse::IssuerUpdated));
        let otherwise = if was_updated { EndReason::IssuerUpdated } else { EndReason::DecisionChanged };
        let decided = grant_again(&grant, Presented::Same(text), &mut request).await;
        if !self.rests_on(&grant) {
            // It was renewed meanwhile: what was decided is about the token before.
            if let Some(id) = self.id() {
                self.state.leases.schedule(self.state.clock.now().monotonic, Task::Rejudge(id));
            }
            return;
        }
        match decided {
            Ok(again) => {
                self.reprieve(Cause::Anew);
                _ = self.adopt(&grant, again);
            }
            Err(NotRenewed::Unfit(rejection) | NotRenewed::Lesser(rejection))
                if rejection.kind() == RejectionKind::Unavailable =>
            {
                let now = self.state.clock.now();
                if !self.doom(Cause::Anew, rejection.retry_after(), &now)
                    && let Some(id) = self.id()
                {
                    self.state.leases.schedule(now.monotonic + RETRY, Task::Rejudge(id));
                }
            }
            Err(NotRenewed::Unfit(rejection) | NotRenewed::Lesser(rejection)) => {
                self.end(Ended::by(&rejection, otherwise));
            }
        }
    }
}
