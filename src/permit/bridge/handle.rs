//! The bridge and its settings.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::event::told_by;
use super::wishes::{Stated, Taken, Wishes};
use crate::error::ConfigError;
use crate::lock::lock;
use crate::logto::webhooks::Event;
use crate::permit::{Permit, PermitUser};
use crate::time::{Clock, SystemClock};

const DEFAULT_PENDING: usize = 10_000;
const MAX_PENDING: usize = 1_000_000;
/// Room for removals, beside that for registrations.
const MAX_REMOVALS: usize = 1_000_000;
/// How many users and memberships are remembered with the time of their last event.
const VERSIONS: usize = 100_000;
/// How old an event may be that gives something: an older one may be a replay.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// How far the issuer's clock may be ahead. What is dated later gives nothing, and takes away as of then.
const MAX_AHEAD: Duration = Duration::from_secs(60);

/// Forwards Logto's webhooks to Permit.io: registered, created and deleted users, and the members that joined or left
/// an organization. Cheap to clone; clones share their queue.
///
/// [`take`](Self::take) queues and returns at once; a task of the application's own [works](Self::work) the queue off.
/// Events may arrive twice and in any order: for each user and membership the latest counts, by Logto's `createdAt`, and a
/// deleted user stays deleted. An event that is older than five minutes may be a replay, and one that is dated more than a
/// minute ahead was dated by a wrong clock: what they take away is taken away, what they give is dropped. The queue is in
/// memory and bounded. Registrations and removals have a room each, so that registrations, which anybody can cause, displace
/// no removal; a removal is tried until Permit.io accepts it or says that the request itself is invalid.
/// [`status`](Self::status) counts what was dropped; what was queued when the process ended is not counted. Since a webhook is
/// delivered once at most, a job should [reconcile](Self::reconcile) now and then.
///
/// ```
/// use orgate::permit::{Permit, PermitBridge};
/// use orgate::logto::webhooks::Event;
///
/// let permit = Permit::builder("http://localhost:7766", "permit_key_...").build()?;
/// // The role of a member in the tenant that stands for the organization.
/// let bridge = PermitBridge::builder(permit, "member").build()?;
///
/// // Once, where the server starts: tokio::spawn(bridge.clone().work());
/// // For each verified delivery, before it is answered with 200:
/// fn on_event(bridge: &PermitBridge, event: &Event) {
///     bridge.take(event);
/// }
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct PermitBridge(pub(super) Arc<Inner>);

pub(super) type MapUser = Box<dyn Fn(PermitUser, &Event) -> PermitUser + Send + Sync>;

pub(super) struct Inner {
    pub(super) permit: Permit,
    pub(super) member_role: String,
    pub(super) manages: Box<dyn Fn(&str) -> bool + Send + Sync>,
    pub(super) delete_missing: bool,
    pub(super) clock: Arc<dyn Clock>,
    wishes: Mutex<Wishes>,
    map: Option<MapUser>,
}

impl PermitBridge {
    /// Returns the settings of a bridge. `member_role` is the role of a member in the tenant of the organization; it
    /// must exist there.
    pub fn builder(permit: Permit, member_role: impl Into<String>) -> PermitBridgeBuilder {
        PermitBridgeBuilder {
            permit,
            member_role: member_role.into(),
            max_pending: DEFAULT_PENDING,
            manages: Box::new(|_| true),
            delete_missing: false,
            clock: Arc::new(SystemClock::new()),
            map: None,
        }
    }

    /// Queues what follows from an event. Does no I/O. Events of other names are of no effect; so is what an event of an
    /// application says, which is no user.
    pub fn take(&self, event: &Event) {
        // Closures of the application run here, before the queue is locked.
        let mut told = told_by(event, self.0.map.as_ref());
        told.wishes.retain(|(_, organization, _)| organization.as_deref().is_none_or(|tenant| self.manages(tenant)));
        let now = self.0.clock.now();
        let is_late = now.unix.saturating_sub(told.at) > MAX_AGE;
        let latest = now.unix.saturating_add(MAX_AHEAD);
        let is_ahead = told.at > latest;
        let at = told.at.min(latest);
        let mut dropped = 0_u64;
        let mut wishes = self.wishes();
        for (user, organization, wish) in told.wishes {
            let (stated, organization) = (Stated::new(wish, at, told.name), organization.as_deref());
            // What gives is never clamped: it would outrank the removals that follow until then.
            let taken = if (is_late || is_ahead) && !stated.wish.takes() {
                wishes.refuse(&user, organization, &stated)
            } else {
                wishes.state(&user, organization, stated, now.monotonic)
            };
            dropped += u64::from(taken == Taken::Dropped);
        }
        if told.is_incomplete {
            wishes.lose(told.name, told.may_take_from_others);
            dropped += 1;
        }
        let lost_removals = wishes.lost_removals();
        drop(wishes);
        if dropped > 0 {
            tracing::warn!(
                target: "orgate",
                event = told.name, dropped, late = is_late, ahead = is_ahead, lost_removals,
                "Permit.io does not receive every event: reconcile"
            );
        }
    }

    /// Returns the state of the queue.
    #[must_use]
    pub fn status(&self) -> BridgeStatus {
        let wishes = self.wishes();
        BridgeStatus {
            pending: wishes.pending(),
            stale: wishes.stale(),
            dropped: wishes.dropped(),
            lost_removals: wishes.lost_removals(),
        }
    }

    /// Never the fallback tenant, which stands for no organization.
    pub(super) fn manages(&self, tenant: &str) -> bool {
        tenant != "default" && (self.0.manages)(tenant)
    }

    pub(super) fn wishes(&self) -> MutexGuard<'_, Wishes> {
        lock(&self.0.wishes)
    }
}

impl fmt::Debug for PermitBridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitBridge").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The state of the queue of a [`PermitBridge`]. It contains no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeStatus {
    pending: usize,
    stale: u64,
    dropped: Vec<(&'static str, u64)>,
    lost_removals: u64,
}

impl BridgeStatus {
    /// Returns how many items Permit.io has not received yet.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.pending
    }

    /// Returns how many items had no effect because a later event was known, or a list that was read later: replays, and
    /// events that arrived out of order.
    #[must_use]
    pub const fn stale(&self) -> u64 {
        self.stale
    }

    /// Returns what was lost, by the name of the event, and `reconcile`: there was no room for it, it gave something and
    /// arrived too late or is dated too far ahead, Permit.io rejected it for good or for an hour, or the event did not name
    /// everybody. If there is any, [`reconcile`](PermitBridge::reconcile).
    pub fn dropped(&self) -> impl Iterator<Item = (&str, u64)> {
        self.dropped.iter().copied()
    }

    /// Returns how many of them were removals: people may hold a role at Permit.io that they lost. A removal is lost only if
    /// the event did not name everybody, if Permit.io says that the request is invalid, or if a million are pending.
    #[must_use]
    pub const fn lost_removals(&self) -> u64 {
        self.lost_removals
    }
}

/// The settings of a [`PermitBridge`].
///
/// ```
/// use orgate::permit::{Permit, PermitBridge};
///
/// let permit = Permit::builder("http://localhost:7766", "permit_key_...").build()?;
/// let bridge = PermitBridge::builder(permit, "member").manages(|tenant| tenant.starts_with("org_")).build()?;
/// # _ = bridge;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[must_use]
pub struct PermitBridgeBuilder {
    permit: Permit,
    member_role: String,
    max_pending: usize,
    manages: Box<dyn Fn(&str) -> bool + Send + Sync>,
    delete_missing: bool,
    clock: Arc<dyn Clock>,
    map: Option<MapUser>,
}

impl PermitBridgeBuilder {
    /// Sets how many registrations, of users and of members, may be pending. Default: 10 000; a million at most. Removals have
    /// room of their own, for a million.
    pub const fn max_pending(mut self, most: usize) -> Self {
        self.max_pending = most;
        self
    }

    /// Sets which tenants stand for Logto organizations. Others are left unchanged. Default: all except `default`,
    /// which is always excluded.
    pub fn manages(mut self, tenant: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.manages = Box::new(tenant);
        self
    }

    /// Makes [reconciling](PermitBridge::reconcile) delete users that Logto does not have, instead of only removing
    /// their roles. For environments in which every user is a Logto user.
    pub const fn delete_missing(mut self) -> Self {
        self.delete_missing = true;
        self
    }

    /// Adds to what Permit.io is told about a user, from the event's payload. The key stays the user's id.
    pub fn map_user(mut self, map: impl Fn(PermitUser, &Event) -> PermitUser + Send + Sync + 'static) -> Self {
        self.map = Some(Box::new(map));
        self
    }

    /// Sets the source of time. Default: the system's clocks.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings. Does no I/O.
    ///
    /// # Errors
    ///
    /// Returns the invalid setting with its value.
    pub fn build(self) -> Result<PermitBridge, ConfigError> {
        if self.member_role.is_empty() {
            return Err(ConfigError::new("the role of a member: an empty name"));
        }
        if !(1..=MAX_PENDING).contains(&self.max_pending) {
            return Err(ConfigError::new(format_args!("max_pending {}: not in 1 ..= {MAX_PENDING}", self.max_pending)));
        }
        Ok(PermitBridge(Arc::new(Inner {
            permit: self.permit,
            member_role: self.member_role,
            manages: self.manages,
            delete_missing: self.delete_missing,
            clock: self.clock,
            wishes: Mutex::new(Wishes::new(self.max_pending, MAX_REMOVALS, VERSIONS)),
            map: self.map,
        })))
    }
}

impl fmt::Debug for PermitBridgeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitBridgeBuilder").field("member_role", &self.member_role).finish_non_exhaustive()
    }
}

/// By the issuer's clock.
pub(super) fn since_epoch(time: std::time::SystemTime) -> Duration {
    time.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default()
}
