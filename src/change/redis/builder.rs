//! From what an operator says to settings that make sense.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::address::Address;
use super::log::Redis;
use super::settings::{AfterLoss, Settings, WhenBehind};
use super::status::RedisState;
use super::tls::TlsSettings;
use crate::error::ConfigError;
use crate::signature::SharedSecret;

/// Builds a [`Redis`]. Made by [`Redis::builder`].
///
/// ```
/// use std::time::Duration;
/// use orgate::change::redis::{Redis, WhenBehind};
///
/// let redis = Redis::builder("redis://orgate:password@redis.internal", "shop")
///     .when_behind(WhenBehind::GoOn)
///     .bound(Duration::from_secs(15))
///     .build()?;
/// # _ = redis;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[must_use]
pub struct RedisBuilder {
    urls: Vec<String>,
    fleet: String,
    sentinel: Option<String>,
    when_behind: Option<WhenBehind>,
    secrets: Option<Vec<Vec<u8>>>,
    tls: TlsSettings,
    settings: Settings,
}

const MIN_BEAT: Duration = Duration::from_millis(100);
const MAX_BOUND: Duration = Duration::from_secs(600);
const MAX_RECONCILE_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// What a bound needs beside three beats.
const SLACK: Duration = Duration::from_secs(2);
const MIN_SECRET: usize = 32;
const MAX_NAME: usize = 64;

impl RedisBuilder {
    pub(super) fn new(url: String, fleet: String) -> Self {
        Self {
            urls: vec![url],
            fleet,
            sentinel: None,
            when_behind: None,
            secrets: None,
            tls: TlsSettings::default(),
            settings: Settings {
                addresses: Vec::new(),
                primary: None,
                of_primary: None,
                when_behind: WhenBehind::Refuse,
                after_loss: AfterLoss::default(),
                bound: Duration::from_secs(10),
                beat: Duration::from_secs(1),
                copies: 0,
                max_rows: 1_000_000,
                feed_entries: 20_000,
                reconcile_every: Duration::from_secs(600),
                watcher: None,
            },
        }
    }

    /// Sets what happens to requests while this replica is behind. There is no default: the operator chooses between
    /// availability and certainty.
    pub fn when_behind(mut self, policy: WhenBehind) -> Self {
        self.when_behind = Some(policy);
        self
    }

    /// Sets what happens after the table and every replica that knew it are lost. Default: [`AfterLoss::RefuseOlder`].
    pub fn after_loss(mut self, policy: AfterLoss) -> Self {
        self.settings.after_loss = policy;
        self
    }

    /// Sets how long this replica counts as current after it was known to be. Default: 10 s; at least three
    /// [beats](Self::beat) and 2 s, and longer than a fail-over takes.
    pub fn bound(mut self, bound: Duration) -> Self {
        self.settings.bound = bound;
        self
    }

    /// Sets how often Redis is asked whether this replica is current. Default: 1 s; at least 100 ms.
    pub fn beat(mut self, interval: Duration) -> Self {
        self.settings.beat = interval;
        self
    }

    /// Sets how many of Redis's own replicas must confirm each beat and each publication. Default: 0.
    ///
    /// It finds a primary that was cut off from the others, which would otherwise be believed for as long as that lasts. With
    /// one such replica only, `copies(1)` makes every fail-over an outage until the second server is back.
    pub fn copies(mut self, copies: u32) -> Self {
        self.settings.copies = copies;
        self
    }

    /// Asks sentinels where the primary is: the URL given to [`Redis::builder`] and these are sentinels. `primary` is the
    /// name under which they watch it, and `credentials` a URL like `redis://user:password@-/0`, of which user, password,
    /// database and TLS are used for the primary.
    pub fn sentinel<U: Into<String>>(
        mut self,
        primary: impl Into<String>,
        credentials: impl Into<String>,
        others: impl IntoIterator<Item = U>,
    ) -> Self {
        self.sentinel = Some(primary.into());
        self.urls.insert(0, credentials.into());
        self.urls.extend(others.into_iter().map(Into::into));
        self
    }

    /// Signs what is published, and believes nothing that is not signed: who can write to Redis can then lift no suspension.
    /// The first secret signs, and all are believed. 32 bytes at least.
    ///
    /// They are rotated in three steps, each in all replicas before the next: `[old, new]`, `[new, old]`, and after
    /// 1.2 times [`reconcile_every`](Self::reconcile_every) `[new]`. A replica that finds a signature of a secret that it does
    /// not have may lack a revocation, and is behind until the row is signed anew or removed.
    pub fn secrets<S: Into<Vec<u8>>>(mut self, secrets: impl IntoIterator<Item = S>) -> Self {
        self.secrets = Some(secrets.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the most rows that the table may have. Default: 1,000,000. Beyond that a new *not before* becomes one of its whole
    /// issuer entry, which rejects more.
    pub fn max_rows(mut self, most: u64) -> Self {
        self.settings.max_rows = most;
        self
    }

    /// Sets how many entries the feed keeps, about. Default: 20,000. Who falls behind by more loads the table.
    pub fn feed_entries(mut self, most: u64) -> Self {
        self.settings.feed_entries = most;
        self
    }

    /// Sets how often the table is compared with what is known here, ± 20 %. Default: 10 minutes; 1 s to 24 h.
    pub fn reconcile_every(mut self, interval: Duration) -> Self {
        self.settings.reconcile_every = interval;
        self
    }

    /// Trusts these certificates (PEM) for `rediss://`, instead of the system's.
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.roots = Some(pem.into());
        self
    }

    /// Shows this certificate chain and key (PEM) to the server, for `rediss://`.
    pub fn client_certificate_pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls.client = Some((chain.into(), key.into()));
        self
    }

    /// Calls `watcher` on each change of state. It is called by the task that talks to Redis and by [`Redis::status`],
    /// so it must not block.
    pub fn on_state(mut self, watcher: impl Fn(RedisState) + Send + Sync + 'static) -> Self {
        self.settings.watcher = Some(Arc::new(watcher));
        self
    }

    /// Checks all settings. Does no I/O other than reading the system's certificates.
    ///
    /// # Errors
    ///
    /// Returns the first invalid setting. That [`when_behind`](Self::when_behind) was not said is one.
    pub fn build(self) -> Result<Redis, ConfigError> {
        let Self { urls, fleet, sentinel, when_behind, secrets, tls, mut settings } = self;
        settings.when_behind = when_behind.ok_or_else(|| {
            ConfigError::new("redis: choose when_behind(WhenBehind::Refuse) or when_behind(WhenBehind::GoOn)")
        })?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if fleet.is_empty() || fleet.len() > MAX_NAME || !fleet.bytes().all(is_name) {
            return Err(ConfigError::new(format_args!("redis: fleet {fleet:?}: 1 to {MAX_NAME} of A-Z a-z 0-9 - _ .")));
        }
        check_times(&settings)?;
        if settings.max_rows == 0 || settings.feed_entries == 0 {
            return Err(ConfigError::new("redis: max_rows and feed_entries must be at least 1"));
        }
        if secrets.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::new("redis: secrets: none was given, so nothing would be signed"));
        }
        let secrets = secrets.unwrap_or_default();
        if let Some(short) = secrets.iter().find(|secret| secret.len() < MIN_SECRET) {
            let bytes = short.len();
            return Err(ConfigError::new(format_args!(
                "redis: a secret of {bytes} bytes: at least {MIN_SECRET} are needed"
            )));
        }
        let mut addresses = urls.iter().map(|url| Address::parse(url)).collect::<Result<Vec<_>, _>>()?;
        if sentinel.is_some() {
            settings.of_primary = Some(addresses.remove(0));
            settings.primary = sentinel;
        }
        let needs_tls = addresses.iter().chain(&settings.of_primary).any(|address| address.tls);
        if !needs_tls && (tls.roots.is_some() || tls.client.is_some()) {
            return Err(ConfigError::new(
                "redis: root and client certificates are for rediss://, and no address is one",
            ));
        }
        let tls = needs_tls.then(|| tls.build()).transpose()?;
        settings.addresses = addresses;
        let secrets = secrets.iter().map(|secret| SharedSecret::new(secret)).collect();
        Ok(Redis::new(settings, &fleet, secrets, tls))
    }
}

fn check_times(settings: &Settings) -> Result<(), ConfigError> {
    let Settings { bound, beat, reconcile_every, .. } = settings;
    if *beat < MIN_BEAT {
        return Err(ConfigError::new(format_args!("redis: beat {beat:?}: at least {MIN_BEAT:?}")));
    }
    let least = beat.saturating_mul(3).saturating_add(SLACK);
    if *bound < least || *bound > MAX_BOUND {
        return Err(ConfigError::new(format_args!(
            "redis: bound {bound:?}: {least:?} (three beats and 2 s) to {MAX_BOUND:?}"
        )));
    }
    if *reconcile_every < Duration::from_secs(1) || *reconcile_every > MAX_RECONCILE_EVERY {
        return Err(ConfigError::new(format_args!("redis: reconcile_every {reconcile_every:?}: 1 s to 24 h")));
    }
    Ok(())
}

impl fmt::Debug for RedisBuilder {
    /// Without credentials and secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder").field("fleet", &self.fleet).finish_non_exhaustive()
    }
}
