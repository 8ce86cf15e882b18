//! Who is told of decisions.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use http::request::Parts;

use super::agreement::ShadowRecord;
use super::evidence::Evidence;
use super::grant::Grant;
use super::outcome::Outcome;
use super::owned_record::short_method;
use super::record::{Record, TokenCache};
use super::requirement::Requirement;
use super::tally::{Tallies, Tally};
use crate::organization::matched_path;
use crate::rejection::{Rejection, RejectionKind};
use crate::time::Now;

/// A receiver of every decision except those on public routes. Given to
/// [`Builder::observer`](crate::server::Builder::observer).
///
/// Each request is told of once. One that had to wait, and then waits until the service behind the Tower layer is ready, is told
/// of when it is passed on or rejected; if its client hangs up or the service fails before, it is not.
///
/// The `tracing` log is one observer and always there: rejections of status 4xx at debug, 5xx at warn, requests that passed at trace.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use orgate::engine::{Observer, Outcome, Record};
///
/// #[derive(Default)]
/// struct Denials(AtomicU64);
///
/// impl Observer for Denials {
///     fn decided(&self, record: &Record<'_>) {
///         if record.outcome() == Outcome::Deny {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Receives one decision. It is called within the request, so it must not block. A panic in it is caught.
    fn decided(&self, record: &Record<'_>);
}

/// What was decided. Neither grant nor rejection: nothing is enforced, and the policy is not met.
#[derive(Clone, Copy, Default)]
pub(super) struct Decided<'a> {
    pub(super) grant: Option<&'a Grant>,
    pub(super) rejection: Option<&'a Rejection>,
    pub(super) shadow: Option<ShadowRecord<'a>>,
}

/// The observers of one server.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    all: Vec<Arc<dyn Observer>>,
    pub(crate) tallies: Option<Arc<dyn Tallies>>,
}

impl Observers {
    pub(crate) fn add(&mut self, observer: impl Observer) {
        self.all.push(Arc::new(observer));
    }

    /// Tells everybody. Costs next to nothing without observers.
    #[inline]
    pub(super) fn tell(
        &self,
        requirement: &Requirement,
        decided: Decided<'_>,
        request: &Parts,
        evidence: &Evidence,
        started: &Now,
    ) {
        if let Some(tally) = requirement.tally() {
            count(tally, requirement, decided, request, evidence, started);
        }
        if !self.all.is_empty() || is_logged(decided.rejection) {
            self.tell_all(&record(requirement, decided, request, evidence, started));
        }
    }

    #[cold]
    fn tell_all(&self, record: &Record<'_>) {
        log(record);
        for observer in &self.all {
            if catch_unwind(AssertUnwindSafe(|| observer.decided(record))).is_err() {
                tracing::error!(target: "orgate", "an observer panicked");
            }
        }
    }
}

fn count(
    tally: &dyn Tally,
    requirement: &Requirement,
    Decided { rejection, shadow, .. }: Decided<'_>,
    request: &Parts,
    evidence: &Evidence,
    started: &Now,
) {
    let waits = evidence.waits();
    let is_verified = evidence.is_cached || evidence.is_checked;
    let cached = if evidence.is_cached { TokenCache::Hit } else { TokenCache::Miss };
    let kind = rejection.map(Rejection::kind);
    let shadow = shadow.map_or("none", |shadow| shadow.agreement().as_str());
    tally.decided(matched_path(request), kind, shadow, is_verified.then_some(cached));
    if evidence.is_checked || !waits.is_empty() {
        let took = requirement.state().clock.now().monotonic.saturating_sub(started.monotonic);
        tally.took(Outcome::of(rejection), took, waits);
    }
}

fn record<'a>(
    requirement: &'a Requirement,
    decided: Decided<'a>,
    request: &'a Parts,
    evidence: &'a Evidence,
    started: &Now,
) -> Record<'a> {
    let Decided { grant, rejection, shadow } = decided;
    let token = grant.and_then(Grant::token).or(evidence.token.as_ref());
    let cached = if evidence.is_cached { TokenCache::Hit } else { TokenCache::Miss };
    let (state, ended) = (requirement.state(), requirement.state().clock.now());
    Record {
        time: SystemTime::UNIX_EPOCH + started.unix,
        duration: ended.monotonic.saturating_sub(started.monotonic),
        method: &request.method,
        route: matched_path(request),
        operation: requirement.shared_operation(),
        policy: requirement.shared_policy(),
        rejection,
        token,
        organization: grant.and_then(Grant::organization).or_else(|| rejection.and_then(Rejection::organization)),
        token_cache: token.map(|_| cached),
        waits: evidence.waits(),
        clause: grant.and_then(Grant::shared_clause).or_else(|| rejection.and_then(Rejection::clause)),
        shadow,
        is_behind: !state.changes.was_current(ended),
    }
}

fn is_logged(rejection: Option<&Rejection>) -> bool {
    match rejection {
        None => tracing::enabled!(target: "orgate", tracing::Level::TRACE),
        Some(rejection) if rejection.status().is_server_error() => {
            tracing::enabled!(target: "orgate", tracing::Level::WARN)
        }
        Some(_) => tracing::enabled!(target: "orgate", tracing::Level::DEBUG),
    }
}

/// The precise reason goes here and nowhere else. No subject, no token.
fn log(record: &Record<'_>) {
    macro_rules! decided {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                target: "orgate",
                kind = record.kind().map(RejectionKind::as_str),
                policy = record.policy(),
                method = tracing::field::display(short_method(record.method())),
                route = record.route(),
                operation = record.operation(),
                issuer = record.issuer_name(),
                kid = record.rejection().and_then(Rejection::kid).map(tracing::field::debug),
                detail = record.detail(),
                shadow = record.shadow().map(|shadow| shadow.agreement().as_str()),
                behind = record.is_behind().then_some(true),
                source = record.rejection().and_then(std::error::Error::source).map(tracing::field::display),
                $message
            )
        };
    }
    match record.outcome() {
        Outcome::Allow => decided!(trace, "request granted"),
        Outcome::Deny => decided!(debug, "request rejected"),
        Outcome::Undecided => decided!(warn, "request rejected"),
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observers").field(&self.all.len()).finish()
    }
}
