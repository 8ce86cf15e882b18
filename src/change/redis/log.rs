//! The log as a server uses it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::AbortHandle;

use super::builder::RedisBuilder;
use super::codec::Codec;
use super::link::Link;
use super::run::run;
use super::settings::{Settings, WhenBehind};
use super::status::RedisStatus;
use super::tls::Tls;
use crate::change::{Change, Facts, Log, LogError, Staleness, Update, Updates};
use crate::future::BoxFuture;
use crate::lock::lock;
use crate::signature::{SharedSecret, random};

/// Updates that wait to be applied. Beyond that Redis is read more slowly.
const MOST_WAITING: usize = 1024;
/// How long a webhook may wait until Redis has its changes.
const DELIVERY_WAIT: Duration = Duration::from_millis(500);

/// A change log that the replicas of a fleet share through Redis 7.0 or Valkey 8.0 and later.
///
/// A change that one replica receives is enforced by all, some milliseconds later. Requests never wait for Redis: each
/// replica asks once a second whether it is current, and what becomes of requests while that is not known is the operator's
/// choice, which has no default. A replica that starts loads what the others know. If Redis loses its data, the replicas put
/// it back. "Running a fleet" in the guide has the settings, and what can still be lost.
///
/// The value is for one server: a clone of it shows the [`status`](Self::status).
///
/// ```
/// use orgate::ResourceServer;
/// use orgate::change::redis::{Redis, WhenBehind};
///
/// let redis = Redis::builder("redis://orgate:password@redis.internal", "shop").when_behind(WhenBehind::Refuse).build()?;
/// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
///     .change_log(redis.clone())
///     .build()?;
/// assert_eq!(redis.status().counts.connects, 0);
/// # _ = server;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Redis {
    pub(super) link: Arc<Link>,
}

impl Redis {
    /// Connects to the server at `redis://[user[:password]@]host[:port][/database]`, with TLS at `rediss://`. Replicas of one
    /// `fleet` share their changes; others in the same server do not see them.
    pub fn builder(url: impl Into<String>, fleet: impl Into<String>) -> RedisBuilder {
        RedisBuilder::new(url.into(), fleet.into())
    }

    pub(super) fn new(settings: Settings, fleet: &str, secrets: Vec<SharedSecret>, tls: Option<Tls>) -> Self {
        // Without random octets it could not publish either.
        let replica = format!("{:032x}", u128::from_be_bytes(random::<16>().unwrap_or_default()));
        Self { link: Arc::new(Link::new(settings, fleet, Codec::new(fleet, secrets), tls, replica)) }
    }

    /// Returns the state of this replica.
    #[must_use]
    pub fn status(&self) -> RedisStatus {
        self.link.status()
    }

    /// Returns how many replicas have reported to Redis in the last 30 s, including this one. Returns 1 before the
    /// first report.
    #[must_use]
    pub fn replicas(&self) -> usize {
        self.link.replicas.load(Ordering::Relaxed)
    }
}

impl Log for Redis {
    fn append<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(self.link.publish(changes))
    }

    fn follow(&self, held: Arc<dyn Facts>) -> Box<dyn Updates> {
        let (sender, updates) = channel(MOST_WAITING);
        *lock(&self.link.held) = Some(held.clone());
        let task = tokio::spawn(run(self.link.clone(), held, sender)).abort_handle();
        Box::new(Following { updates, task, link: self.link.clone() })
    }

    fn staleness(&self) -> Option<Staleness> {
        let bound = self.link.settings.bound;
        Some(match self.link.settings.when_behind {
            WhenBehind::Refuse => Staleness::refuse_after(bound),
            WhenBehind::GoOn => Staleness::go_on_after(bound).once_loaded(),
        })
    }

    fn delivery_wait(&self) -> Option<Duration> {
        Some(DELIVERY_WAIT)
    }
}

/// What a server follows. The task ends with it.
struct Following {
    updates: Receiver<Update>,
    task: AbortHandle,
    link: Arc<Link>,
}

impl Updates for Following {
    fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
        Box::pin(self.updates.recv())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
        self.link.open.send_replace(None);
    }
}

impl fmt::Debug for Redis {
    /// Without credentials and secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("addresses", &self.link.settings.addresses).finish_non_exhaustive()
    }
}
