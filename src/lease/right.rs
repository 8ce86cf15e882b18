//! What one lease rests on, and how it is looked at.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Context;
use std::time::Duration;

use http::request::Parts;

use super::anew::Anew;
use super::ended::{EndReason, Ended};
use super::groups::LIVE_BOUND;
use super::leases::Task;
use super::more::More;
use super::place::place;
use super::table::LeaseId;
use super::waiters::Waiters;
use super::watch::Watch;
use crate::change::{About, Epoch};
use crate::engine::{Grant, Lapse, State, Stop, lapse, still_permits};
use crate::future::BoxFuture;
use crate::issuer::keys::jitter;
use crate::lock::lock;
use crate::organization::Organization;
use crate::permissions::Waited;
use crate::rejection::{Rejection, RejectionKind};
use crate::time::{Now, milliseconds};

/// The part of the bound in which nothing ends: what fails once is tried again.
const RESPITE: f64 = 0.2;
/// What a client that must come again waits at least, and at most as much longer.
pub(super) const RETRY: Duration = Duration::from_secs(1);
const RETRY_SPREAD: Duration = Duration::from_secs(5);
/// What one lease rests on.
pub(super) struct Right {
    pub(super) state: Arc<State>,
    used: Mutex<Used>,
    ended: OnceLock<Ended>,
    id: OnceLock<LeaseId>,
    /// It is going to be decided anew.
    pub(super) is_anew: AtomicBool,
    more: Option<Box<More>>,
}

struct Used {
    grant: Grant,
    bound: Option<Duration>,
    doomed: Option<Doom>,
    waiters: Waiters,
}

/// It ends at this moment of the monotonic clock, unless what cannot be known is known by then.
#[derive(Clone, Copy)]
struct Doom {
    /// In milliseconds.
    at: u64,
    cause: Cause,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The change log, or the issuer's keys.
    Standing,
    /// The permission source.
    Source,
    /// Whatever deciding anew needs.
    Anew,
}

impl Right {
    pub(super) fn new(grant: &Grant, more: Option<Box<More>>) -> Self {
        let state = grant.requirement().state().clone();
        let used = Used { grant: grant.without_response(), bound: None, doomed: None, waiters: Waiters::default() };
        Self {
            state,
            used: Mutex::new(used),
            ended: OnceLock::new(),
            id: OnceLock::new(),
            is_anew: AtomicBool::new(false),
            more,
        }
    }

    /// It is in the registry from now on.
    pub(super) fn begin(&self, id: LeaseId, bound: Option<Duration>) {
        _ = self.id.set(id);
        lock(&self.used).bound = bound;
    }

    pub(super) fn id(&self) -> Option<LeaseId> {
        self.id.get().copied()
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended.get().copied()
    }

    pub(super) fn grant(&self) -> Grant {
        lock(&self.used).grant.clone()
    }

    pub(super) fn bound(&self) -> Option<Duration> {
        lock(&self.used).bound
    }

    pub(super) fn more(&self) -> Option<&More> {
        self.more.as_deref()
    }

    pub(super) fn wait(&self, number: &mut Option<u32>, context: &Context<'_>) {
        lock(&self.used).waiters.add(number, context.waker());
    }

    pub(super) fn leave(&self, number: u32) {
        lock(&self.used).waiters.remove(number);
    }

    /// The request that the policy is judged by again; `None` if it cannot be.
    pub(super) fn request(&self, grant: &Grant) -> Option<Parts> {
        let rules = grant.requirement().rules();
        match self.more().and_then(|more| more.request.as_ref()) {
            Some(kept) => Some(kept.clone()),
            None if rules.reads_request() => None,
            None => Some(rules.request_about(grant.organization().map(Organization::id))),
        }
    }

    /// Whether it still rests on what was granted before.
    pub(super) fn rests_on(&self, before: &Grant) -> bool {
        is_same(&lock(&self.used).grant, before)
    }

    /// Puts another grant in the place of one. `false` if another one took that place before.
    pub(super) fn adopt(&self, before: &Grant, after: Grant) -> bool {
        let next = place(&after, self.more());
        let mut used = lock(&self.used);
        if !is_same(&used.grant, before) {
            return false;
        }
        used.grant = after;
        used.doomed.take_if(|doom| doom.cause == Cause::Anew);
        drop(used);
        let Some(id) = self.id() else { return true };
        match next.map(|next| self.state.leases.relink(id, next)) {
            Ok(Ok(bound)) => lock(&self.used).bound = bound,
            Ok(Err(_)) => self.end(undecided(RETRY)),
            Err(rejection) => self.end(Ended::by(&rejection, EndReason::Undecided)),
        }
        // Whatever changed before it was found by its new token.
        self.look(&self.state.clock.now());
        true
    }

    /// It ends at some moment within the bound, if nothing is known by then.
    pub(super) fn doom(&self, cause: Cause, retry_after: Option<Duration>, now: &Now) -> bool {
        // Who only listens uses no right, and says itself that nothing is known.
        if cause == Cause::Source && self.more().is_some_and(|more| more.listener.is_some()) {
            return false;
        }
        let mut used = lock(&self.used);
        let bound = used.bound.unwrap_or(LIVE_BOUND);
        // What requests are rejected for does not wait as long as a permission may.
        let spread = if cause == Cause::Standing { bound.min(LIVE_BOUND) } else { bound };
        let at = milliseconds(now.monotonic + spread.mul_f64(RESPITE + (1.0 - RESPITE) * jitter()));
        let is_new = used.doomed.is_none_or(|doom| cause == Cause::Standing && doom.cause != cause);
        let doom = match used.doomed {
            Some(doom) if !is_new => doom,
            before => Doom { at: before.map_or(at, |before| before.at.min(at)), cause },
        };
        used.doomed = Some(doom);
        drop(used);
        if doom.at <= milliseconds(now.monotonic) {
            self.end(undecided(retry_after.unwrap_or(RETRY)));
            return true;
        }
        if let Some(id) = self.id().filter(|_| is_new) {
            self.state.leases.schedule(Duration::from_millis(doom.at), Task::Look(id));
        }
        false
    }

    pub(super) fn reprieve(&self, cause: Cause) {
        lock(&self.used).doomed.take_if(|doom| doom.cause == cause);
    }

    /// Whether it has been undecided for too long.
    fn is_doomed(&self, now: &Now) -> bool {
        let is_due = lock(&self.used).doomed.is_some_and(|doom| doom.at <= milliseconds(now.monotonic));
        if is_due {
            self.end(undecided(RETRY));
        }
        is_due
    }
}

fn is_same(one: &Grant, other: &Grant) -> bool {
    match (one.token(), other.token()) {
        (Some(one), Some(other)) => one.is_same(other) && one.entry() == other.entry(),
        _ => false,
    }
}

pub(super) fn undecided(after: Duration) -> Ended {
    Ended::retry(EndReason::Undecided, after + RETRY_SPREAD.mul_f64(jitter()))
}

impl Watch for Right {
    fn look(&self, now: &Now) -> bool {
        if self.ended().is_some() {
            return true;
        }
        let grant = self.grant();
        if grant.requirement().rules().is_shadow_only() {
            return false;
        }
        let ended = match lapse(&self.state, &grant, now) {
            Ok(()) => {
                self.reprieve(Cause::Standing);
                return self.is_doomed(now);
            }
            // Whether the issuer has the key shows when the token is verified anew.
            Err(Lapse::Key(_)) => return self.is_doomed(now) || self.decide_anew(Anew::Key),
            Err(Lapse::KeyGone) => return self.is_doomed(now) || self.decide_anew(Anew::KeyGone),
            Err(Lapse::IssuerUpdated) => {
                let has_text = grant.token().is_some_and(|token| token.jws().is_some())
                    || grant.opaque().is_some()
                    || self.more().is_some_and(|more| more.opaque.is_some());
                if has_text {
                    return self.is_doomed(now) || self.decide_anew(Anew::Updated);
                }
                Ended::retry(EndReason::IssuerUpdated, RETRY)
            }
            Err(Lapse::IssuerRemoved(rejection)) => Ended::because(EndReason::IssuerRemoved, &rejection),
            Err(Lapse::Rejected(rejection)) if rejection.kind() == RejectionKind::Unavailable => {
                return self.doom(Cause::Standing, rejection.retry_after(), now);
            }
            // A clock was set back: its time has not come.
            Err(Lapse::Rejected(rejection)) => Ended::by(&rejection, EndReason::Undecided),
        };
        self.end(ended);
        true
    }

    fn lacks_its_key(&self, now: &Now) -> bool {
        matches!(lapse(&self.state, &self.grant(), now), Err(Lapse::KeyGone))
    }

    fn judge(&self, arrival: Epoch, waited: &Waited, now: &Now) {
        if let Some(More { listener: Some(listener), .. }) = self.more() {
            listener.asked(&waited.outcome);
        }
        if self.look(now) {
            return;
        }
        let grant = self.grant();
        if grant.requirement().rules().is_shadow_only() {
            return;
        }
        match still_permits(&grant, arrival, std::slice::from_ref(waited), now) {
            Ok(()) => self.reprieve(Cause::Source),
            // Something changed meanwhile: it is asked again.
            Err(Stop::Need(_)) => {}
            Err(Stop::Reject(rejection)) if rejection.kind() == RejectionKind::Unavailable => {
                self.doom(Cause::Source, rejection.retry_after(), now);
            }
            Err(Stop::Reject(rejection)) => self.end(Ended::by(&rejection, EndReason::PermissionLost)),
        }
    }

    fn rejudge(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.decided_anew().await })
    }

    fn wake(&self) {
        let wakers = lock(&self.used).waiters.take();
        wakers.for_each(std::task::Waker::wake);
    }

    fn hear(&self, about: &About, at: Epoch) {
        if let Some(listener) = self.more().and_then(|more| more.listener.as_ref()) {
            listener.changed(about, at);
        }
        self.wake();
    }

    fn end(&self, ended: Ended) {
        if self.ended.set(ended).is_err() {
            return;
        }
        tracing::debug!(
            target: "orgate", reason = ended.reason().as_str(), remediation = ended.remediation().as_str(), "lease ended"
        );
        if let Some(id) = self.id() {
            self.state.leases.remove(id);
        }
        self.wake();
        if let Some(listener) = self.more().and_then(|more| more.listener.as_ref()) {
            listener.ended(ended);
        }
    }

    fn is_behind(&self, now: &Now) -> bool {
        self.state.changes.is_behind(*now)
    }
}

/// What a lease that is over says to whoever still uses it.
pub(super) fn over(ended: Ended) -> Rejection {
    let detail = format!("the lease is over ({ended})");
    match ended.retry_after() {
        Some(after) => Rejection::unavailable(after, detail),
        None => Rejection::new(RejectionKind::RevokedToken, ended.remediation(), detail),
    }
}
