//! One open connection: what it sends next, made when it is asked for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};

use super::end::End;
use super::event;
use super::look::{Found, Last, Viewer};
use super::slots::Slot;
use super::state::seconds;
use super::wake::Wake;
use crate::change::Epoch;
use crate::future::BoxFuture;
use crate::lease::{EndReason, Ended, Lease, LeaseSettings};
use crate::rejection::Rejection;
use crate::time::Clock;

/// A connection of a feed. It holds no queue: a client that does not read learns the last state once it reads again, unless
/// that takes too long.
pub(super) struct Connection {
    clock: Arc<dyn Clock>,
    pace: Pace,
    stage: Stage,
    wake: Arc<Wake>,
    /// When the last look began, in the order of fetches and changes.
    since: Epoch,
    /// When to look again by itself, and when to send a heartbeat.
    look_at: Option<Duration>,
    beat_at: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_first: bool,
    /// Held until the end: what is over is not watched, and takes no place.
    kept: Option<(Lease, Slot)>,
}

/// How long a connection may be silent, and unread.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) heartbeat: Duration,
    pub(super) slow_after: Duration,
}

enum Stage {
    Waiting(Box<Watched>),
    Looking(BoxFuture<'static, (Box<Watched>, Found)>),
    Over,
}

/// What a look needs.
struct Watched {
    viewer: Viewer,
    last: Last,
}

impl Connection {
    /// # Errors
    ///
    /// Returns a [`Rejection`], recorded, if what was granted cannot be watched.
    pub(super) fn open(
        viewer: Viewer,
        last: Last,
        since: Epoch,
        lease: &LeaseSettings,
        slot: Slot,
        pace: Pace,
    ) -> Result<Self, Rejection> {
        let clock = viewer.shown.requirement.state().clock.clone();
        let beat_at = clock.now().monotonic + pace.heartbeat;
        let wake = Arc::new(Wake::new(clock.clone()));
        wake.look();
        let lease = viewer.grant.lease_with(&lease.clone().listener(wake.clone()))?;
        Ok(Self {
            clock,
            pace,
            stage: Stage::Waiting(Box::new(Watched { viewer, last })),
            wake,
            since,
            look_at: None,
            beat_at,
            timer: None,
            is_first: true,
            kept: Some((lease, slot)),
        })
    }

    /// What to send next; `None` once it is over.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let next = self.poll_event(cx);
        if matches!(self.stage, Stage::Over) {
            self.kept = None;
        }
        next
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let now = self.clock.now().monotonic;
            let due = self.wake.due(cx.waker());
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Over => return Poll::Ready(None),
                Stage::Looking(mut looking) => match looking.as_mut().poll(cx) {
                    Poll::Ready((watched, found)) => {
                        if let Some(event) = self.found(watched, found, now) {
                            return Poll::Ready(Some(event));
                        }
                    }
                    Poll::Pending => {
                        self.stage = Stage::Looking(looking);
                        return Poll::Pending;
                    }
                },
                Stage::Waiting(watched) => {
                    let looks = due.since.or(self.look_at.filter(|at| *at <= now));
                    let unread = looks.unwrap_or(now).min(self.beat_at);
                    if now.saturating_sub(unread) > self.pace.slow_after {
                        return Poll::Ready(Some(end(&End::slow_reader())));
                    }
                    let is_beat = self.beat_at <= now;
                    self.wake.begin(due);
                    if (looks.is_some() || due.is_changed || is_beat)
                        && let Some(ended) = self.kept.as_ref().and_then(|(lease, _)| lease.over())
                    {
                        return Poll::Ready(Some(end(&End::of_lease(ended))));
                    }
                    if looks.is_some() {
                        self.look_at = None;
                        let since = std::mem::replace(&mut self.since, Epoch::latest());
                        self.stage = Stage::Looking(Box::pin(watched.look(since)));
                        continue;
                    }
                    self.stage = Stage::Waiting(watched);
                    if is_beat {
                        self.beat_at = now + self.pace.heartbeat;
                        return Poll::Ready(Some(event::HEARTBEAT));
                    }
                    if self.is_timed(now, cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// What to send of what was found.
    fn found(&mut self, mut watched: Box<Watched>, found: Found, now: Duration) -> Option<Bytes> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        let sent = match found {
            Found::State { known, json, id } => {
                watched.last = Last::Told(Box::new(known));
                Some(event::state(is_first, &id, &json))
            }
            Found::Unchanged { known, .. } => {
                watched.last = Last::Told(Box::new(known));
                // The client should see that it is connected.
                is_first.then_some(event::HEARTBEAT)
            }
            Found::Undecided(after) => {
                self.look_at = Some(now + after);
                let (was_told, last) = match std::mem::take(&mut watched.last) {
                    Last::Undecided(known) => (true, Last::Undecided(known)),
                    Last::Told(known) => (false, Last::Undecided(Some(known))),
                    Last::Nothing | Last::Ids(_) => (false, Last::Undecided(None)),
                };
                watched.last = last;
                let expires_at = seconds(&watched.viewer.token);
                (!was_told).then(|| event::undecided_event(after.as_secs().max(1), expires_at))
            }
            Found::Over(rejection) => {
                // It knows better why, if it has noticed.
                let ended = self.kept.as_ref().and_then(|(lease, _)| lease.over());
                let ended = ended.unwrap_or_else(|| Ended::by(&rejection, EndReason::PermissionLost));
                return Some(end(&End::of_lease(ended)));
            }
        };
        if sent.is_some() {
            self.beat_at = now + self.pace.heartbeat;
        }
        self.stage = Stage::Waiting(watched);
        sent
    }

    /// Ready if something may be due.
    fn is_timed(&mut self, now: Duration, cx: &mut Context<'_>) -> Poll<()> {
        // Without a tokio runtime there is no timer: changes wake the connection, and heartbeats do not.
        if tokio::runtime::Handle::try_current().is_err() {
            return Poll::Pending;
        }
        let at = self.look_at.map_or(self.beat_at, |at| at.min(self.beat_at));
        let left = at.saturating_sub(now);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(left)));
        timer.as_mut().reset(Instant::now() + left);
        timer.as_mut().poll(cx)
    }
}

impl Watched {
    async fn look(mut self: Box<Self>, since: Epoch) -> (Box<Self>, Found) {
        let Self { viewer, last } = &mut *self;
        let found = viewer.look(since, last, true).await;
        (self, found)
    }
}

fn end(end: &End) -> Bytes {
    event::end(end.reason, end.remediation, end.retry_after)
}
