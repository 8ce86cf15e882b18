//! Follows a log, and knows how far behind it this server is.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::apply::Changes;
use super::fact::Fact;
use super::log::Log;
use crate::lock::lock;
use crate::rejection::Rejection;
use crate::time::{Now, nanoseconds};

const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long [`Changes::ready`] waits.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// How often it is said that a server goes on although it is behind.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// Where a server stands with its log.
pub(super) struct Following {
    log: Option<Arc<dyn Log>>,
    /// A file of this process beside a log that is shared.
    beside: Option<Arc<dyn Log>>,
    /// Monotonic, in nanoseconds. All that the request path reads of a log.
    pub(super) current_until: AtomicU64,
    /// When it was last known to be current, likewise; zero before.
    pub(super) current_at: AtomicU64,
    is_started: AtomicBool,
    /// What the log can say at once is being taken in.
    is_loading: AtomicBool,
    /// What the log, or the one beside it, holds was taken in once.
    pub(super) is_loaded: AtomicBool,
    /// The file beside the log held facts from before.
    pub(super) has_kept: AtomicBool,
    /// When it is started again at the earliest, likewise.
    not_before: AtomicU64,
    said_until: AtomicU64,
    behind: AtomicU64,
    task: Mutex<Option<AbortHandle>>,
    others: Mutex<Vec<AbortHandle>>,
    /// Suspensions that were loaded and are to be confirmed, by issuer.
    pub(super) unconfirmed: Mutex<HashMap<Arc<str>, HashSet<Fact>>>,
    /// Told whenever it is current again.
    pub(super) current: watch::Sender<()>,
}

impl Following {
    pub(super) fn new(log: Option<Arc<dyn Log>>, beside: Option<Arc<dyn Log>>) -> Self {
        Self {
            current_until: AtomicU64::new(if log.is_some() { 0 } else { u64::MAX }),
            log,
            current_at: AtomicU64::new(0),
            beside,
            is_started: AtomicBool::new(false),
            is_loading: AtomicBool::new(false),
            is_loaded: AtomicBool::new(false),
            has_kept: AtomicBool::new(false),
            not_before: AtomicU64::new(0),
            said_until: AtomicU64::new(0),
            behind: AtomicU64::new(0),
            task: Mutex::new(None),
            others: Mutex::default(),
            unconfirmed: Mutex::default(),
            current: watch::Sender::new(()),
        }
    }

    pub(super) fn is_current(&self, now: Now) -> bool {
        let until = self.current_until.load(Ordering::Acquire);
        // Without a log, and for one without a bound, at any time.
        until == u64::MAX || nanoseconds(now.monotonic) < until
    }

    /// A task that ends with this.
    pub(super) fn keep(&self, task: AbortHandle) {
        let mut others = lock(&self.others);
        others.retain(|task| !task.is_finished());
        others.push(task);
    }

    pub(super) fn bound(&self) -> Option<super::Staleness> {
        self.log.as_ref().and_then(|log| log.staleness())
    }
}

impl Changes {
    /// Whether requests are judged all the same, where what is known is not recent enough to judge by.
    #[cold]
    pub(super) fn behind(self: &Arc<Self>, now: Now) -> Result<(), Rejection> {
        self.follow();
        if self.following.is_current(now) {
            return Ok(());
        }
        let Some(bound) = self.following.bound() else {
            // Another request takes the log in: what it says is not known yet.
            return if self.following.is_loading.load(Ordering::Acquire) {
                Err(Rejection::unavailable(RETRY_AFTER, "the change log is being loaded"))
            } else {
                Ok(())
            };
        };
        self.following.behind.fetch_add(1, Ordering::Relaxed);
        if bound.refuses() || bound.waits_until_loaded() && !self.following.is_loaded.load(Ordering::Acquire) {
            return Err(Rejection::unavailable(RETRY_AFTER, "the change log is out of date"));
        }
        let now = nanoseconds(now.monotonic);
        let said = self.following.said_until.load(Ordering::Relaxed);
        let until = now.saturating_add(nanoseconds(SAID_EVERY));
        if now >= said
            && self.following.said_until.compare_exchange(said, until, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            tracing::warn!(target: "orgate", "the change log is out of date; requests are still judged");
        }
        Ok(())
    }

    /// Whether what was known at that moment was recent enough to judge by.
    pub(crate) fn was_current(&self, at: Now) -> bool {
        self.following.is_current(at)
    }

    /// Whether the server is current, and how many requests found it behind.
    pub(crate) fn currency(&self) -> (bool, u64) {
        let is_current = self.following.is_current(self.clock.now());
        (is_current, self.following.behind.load(Ordering::Relaxed))
    }

    /// How long ago the log was known to have been delivered whole; `None` before it was.
    pub(crate) fn lag(&self) -> Option<Duration> {
        let at = self.following.current_at.load(Ordering::Relaxed);
        (at > 0).then(|| self.clock.now().monotonic.saturating_sub(Duration::from_nanos(at)))
    }

    /// Waits until requests are judged: two seconds at most. `false` if they are not by then.
    pub(crate) async fn ready(self: Arc<Self>) -> bool {
        self.follow();
        if self.following.bound().is_none() {
            return true;
        }
        let mut current = self.following.current.subscribe();
        if Handle::try_current().is_err() {
            return self.currency().0;
        }
        let waiting = async {
            while !self.currency().0 {
                // The sender lives as long as this.
                _ = current.changed().await;
            }
        };
        tokio::time::timeout(MAX_WAIT, waiting).await.is_ok()
    }

    /// Starts to follow the log, if there is one that is not followed yet. What it holds and can say at once is known when this
    /// returns.
    pub(super) fn follow(self: &Arc<Self>) {
        let following = &self.following;
        let Some(log) = &following.log else { return };
        let is_early = nanoseconds(self.clock.now().monotonic) < following.not_before.load(Ordering::Acquire);
        if is_early || following.is_started.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut end = End { server: Arc::downgrade(self), is_final: false };
        let loading = Loading::begin(following);
        let driver = match self.driver.running() {
            Ok(driver) => driver,
            Err(error) => return tracing::error!(target: "orgate", %error, "the change log cannot be followed"),
        };
        let entered = driver.runtime().enter();
        if let Some(beside) = &following.beside {
            self.follow_beside(&**beside, driver.runtime());
        }
        let mut updates = log.follow(self.held());
        let from = Self::source_of(&**log, false);
        end.is_final = !self.take_in_at_once(&mut *updates, from);
        self.confirm();
        drop(entered);
        drop(loading);
        if following.bound().is_none() {
            following.current_until.store(u64::MAX, Ordering::Release);
        }
        if end.is_final {
            return;
        }
        let task = driver.spawn(Box::pin(async move {
            while let Some(update) = updates.next().await {
                let Some(server) = end.server.upgrade() else { return };
                server.take_in(update, from);
            }
            end.finish();
            tracing::warn!(target: "orgate", "the change log ended");
        }));
        if let Some(lost) = lock(&following.task).replace(task) {
            lost.abort();
        }
    }
}

/// While a log is taken in. It is foreign code, and may panic.
struct Loading<'a>(&'a Following);

impl<'a> Loading<'a> {
    fn begin(following: &'a Following) -> Self {
        following.is_loading.store(true, Ordering::Release);
        Self(following)
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.0.is_loading.store(false, Ordering::Release);
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let task = lock(&self.task).take();
        for task in task.into_iter().chain(lock(&self.others).drain(..)) {
            task.abort();
        }
    }
}

/// The end of following. If that is not the end of the log, but of the runtime or by a panic, the next request starts again,
/// a little later.
struct End {
    server: Weak<Changes>,
    is_final: bool,
}

impl End {
    fn finish(mut self) {
        self.is_final = true;
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let Some(server) = self.server.upgrade().filter(|_| !self.is_final) else { return };
        let again = server.clock.now().monotonic.saturating_add(RETRY_AFTER);
        server.following.not_before.store(nanoseconds(again), Ordering::Release);
        if server.following.bound().is_none() {
            server.following.current_until.store(0, Ordering::Release);
        }
        server.following.is_started.store(false, Ordering::Release);
    }
}
