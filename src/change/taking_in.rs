//! Taking in what a log says.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;

use super::apply::{Changes, Origin};
use super::fact::FactKey;
use super::log::{Log, Staleness, Update, Updates};
use crate::lock::lock;
use crate::time::nanoseconds;

/// How much of a log is taken in before the first request is judged, if it is there at once.
const MOST_AT_ONCE: usize = 1_000_000;

/// Where an update is from.
#[derive(Clone, Copy)]
pub(super) struct Source {
    origin: Origin,
    is_beside: bool,
}

impl Changes {
    pub(super) fn source_of(log: &dyn Log, is_beside: bool) -> Source {
        let origin = if log.must_be_confirmed() { Origin::Own } else { Origin::Shared };
        Source { origin, is_beside }
    }

    /// Takes in a file of this process, before the log that is shared.
    pub(super) fn follow_beside(self: &Arc<Self>, log: &dyn Log, runtime: &Handle) {
        let mut updates = log.follow(self.held());
        let from = Self::source_of(log, true);
        if self.take_in_at_once(&mut *updates, from) {
            let server = Arc::downgrade(self);
            let following = async move {
                while let Some(update) = updates.next().await {
                    let Some(server) = server.upgrade() else { return };
                    server.take_in(update, from);
                }
            };
            self.following.keep(runtime.spawn(following.boxed()).abort_handle());
        }
    }

    /// Whether there is more to come.
    pub(super) fn take_in_at_once(self: &Arc<Self>, updates: &mut dyn Updates, from: Source) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..MOST_AT_ONCE {
            // Pending, it is dropped: no update is lost by that.
            let next = pin!(updates.next()).poll(&mut context);
            match next {
                Poll::Ready(Some(update)) => self.take_in(update, from),
                Poll::Ready(None) => return false,
                Poll::Pending => break,
            }
        }
        true
    }

    pub(super) fn take_in(self: &Arc<Self>, update: Update, from: Source) {
        match update {
            Update::Change(change) => self.receive(change, from.origin),
            Update::Fact(fact) => {
                if from.is_beside {
                    self.following.has_kept.store(true, Ordering::Release);
                }
                self.load(&fact, from.origin);
                let is_suspension = matches!(fact.key(), FactKey::Suspension { .. }) && fact.rank().is_strict();
                if is_suspension && from.origin == Origin::Own {
                    lock(&self.following.unconfirmed).entry(fact.issuer().into()).or_default().insert(fact);
                }
            }
            Update::Gap => self.missed(),
            Update::Lost { before } => self.lose(before),
            Update::Current { .. } if from.is_beside => {
                self.following.is_loaded.store(true, Ordering::Release);
                self.confirm();
            }
            Update::Current { as_of } => {
                self.following.is_loaded.store(true, Ordering::Release);
                let bound = self.following.bound().map_or(Duration::MAX, Staleness::bound);
                let until = nanoseconds(as_of.saturating_add(bound));
                self.following.current_until.fetch_max(until, Ordering::AcqRel);
                self.following.current_at.fetch_max(nanoseconds(as_of).max(1), Ordering::Relaxed);
                self.following.current.send_replace(());
                if from.origin == Origin::Own {
                    self.confirm();
                }
            }
        }
    }
}
