//! Resource limits.

use std::time::Duration;

use super::Builder;
use crate::change::Bounds;
use crate::engine::PermitSettings;
use crate::error::ConfigError;
use crate::lease::LeaseBounds;
use crate::server::check::{check_count, check_range};

const DEFAULT_TOKEN_BYTES: usize = 8 * 1024;
const MAX_TOKEN_BYTES: usize = 1024 * 1024;
const DEFAULT_MAX_ISSUERS: usize = 1024;
const DEFAULT_CACHE_BYTES: u64 = 64 * 1024 * 1024;
const DEFAULT_QUEUE: usize = 64;
const DEFAULT_PERMIT_WAIT: Duration = Duration::from_millis(20);
const MAX_PERMIT_WAIT: Duration = Duration::from_secs(10);
const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(5);
const MAX_MAX_WAIT: Duration = Duration::from_secs(60);
const DEFAULT_SHADOW_WAIT: Duration = Duration::from_millis(250);
const MAX_SHADOW_WAIT: Duration = Duration::from_secs(5);
const MAX_CHECKS: usize = 4096;

const DEFAULT_LIVE_PERMISSIONS: u64 = 10_000;
const DEFAULT_LEASES: LeaseBounds = LeaseBounds { all: 200_000, each: 1000 };
/// What a number of 32 bits tells apart, and more than memory holds.
const MAX_LEASES: usize = 10_000_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_token_bytes: usize,
    pub(super) token_cache_bytes: u64,
    pub(super) permits: PermitSettings,
    pub(super) max_wait: Duration,
    pub(super) shadow_wait: Duration,
    pub(super) max_issuers: usize,
    pub(super) live_permissions: u64,
    pub(super) revocations: Bounds,
    pub(super) leases: LeaseBounds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_token_bytes: DEFAULT_TOKEN_BYTES,
            token_cache_bytes: DEFAULT_CACHE_BYTES,
            permits: PermitSettings { at_once: half_the_cores(), queue: DEFAULT_QUEUE, wait: DEFAULT_PERMIT_WAIT },
            max_wait: DEFAULT_MAX_WAIT,
            shadow_wait: DEFAULT_SHADOW_WAIT,
            max_issuers: DEFAULT_MAX_ISSUERS,
            live_permissions: DEFAULT_LIVE_PERMISSIONS,
            revocations: Bounds::default(),
            leases: DEFAULT_LEASES,
        }
    }
}

fn half_the_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_count("max_token_bytes", self.max_token_bytes, MAX_TOKEN_BYTES)?;
        check_count("max_concurrent_verifications", self.permits.at_once, MAX_CHECKS)?;
        check_count("max_leases", self.leases.all, MAX_LEASES)?;
        check_count("max_leases of a subject", self.leases.each, MAX_LEASES)?;
        check_range("max_wait", self.max_wait, MAX_MAX_WAIT)?;
        check_range("shadow_wait", self.shadow_wait, MAX_SHADOW_WAIT)?;
        check_range("verification_queue", self.permits.wait, MAX_PERMIT_WAIT)
    }
}

impl Builder {
    /// Limits the size of a token, in bytes. Default: 8 KiB; 1 MiB at most.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_token_bytes = bytes;
        self
    }

    /// Limits the memory of the cache of verified tokens, in bytes. A cached token is not verified again while its key
    /// is one of the issuer's and it has not expired. Zero turns the cache off. Default: 64 MiB, enough for about
    /// 35,000 tokens.
    ///
    /// What a route asks of a token is judged on every request all the same.
    pub fn token_cache_bytes(mut self, bytes: u64) -> Self {
        self.limits.token_cache_bytes = bytes;
        self
    }

    /// Limits how many signatures are checked at the same time. Default: half the cores, at least one.
    ///
    /// A token that was verified before needs no check. So a flood of forged tokens leaves room for known clients.
    pub fn max_concurrent_verifications(mut self, at_once: usize) -> Self {
        self.limits.permits.at_once = at_once;
        self
    }

    /// Limits how many requests may wait for a signature check, and how long each may wait. Beyond either limit the
    /// response is 503 with `Retry-After`. Default: 64, 20 ms; ten seconds at most.
    pub fn verification_queue(mut self, length: usize, wait: Duration) -> Self {
        self.limits.permits.queue = length;
        self.limits.permits.wait = wait;
        self
    }

    /// Limits how many answers of permission sources are cached, each for one subject, organization and model. Default:
    /// 10,000.
    pub fn live_permissions(mut self, most: u64) -> Self {
        self.limits.live_permissions = most;
        self
    }

    /// Limits the total time that one request may wait: for keys, permissions and decisions. Beyond it the response is
    /// 503, even if the policy tolerates errors. Default: 5 s; one minute at most. The time in which the service behind a
    /// layer is not ready does not count.
    pub fn max_wait(mut self, limit: Duration) -> Self {
        self.limits.max_wait = limit;
        self
    }

    /// Limits how long a request may wait for a policy that is evaluated without being enforced
    /// ([`Policy::shadow`](crate::Policy::shadow),
    /// [`Policy::dangerous_shadow_only`](crate::Policy::dangerous_shadow_only)). Beyond it that policy is undecided.
    /// Default: 250 ms; five seconds at most, and no more than is left of [`max_wait`](Self::max_wait). With zero, requests
    /// never wait for it.
    pub fn shadow_wait(mut self, limit: Duration) -> Self {
        self.limits.shadow_wait = limit;
        self
    }

    /// Sets how long tokens of the issuers live at most, from `iat` to `exp`. Default: 24 h.
    ///
    /// Every revocation but a suspension is kept for so long, and five minutes more for the leeway. A token that lives longer is
    /// accepted, and accepted again after that if it was revoked: never set less than the issuers do.
    pub fn max_token_life(mut self, life: Duration) -> Self {
        self.limits.revocations.token_life = life;
        self
    }

    /// Limits how many revocations are stored, over all issuer entries: subjects, members, organizations, clients and
    /// tokens. Default: 100,000, which take about 20 MB. Beyond the limit the oldest ones are merged into coarser ones,
    /// which reject more tokens of before. A deletion that is merged no longer rejects tokens that are issued later; that is
    /// logged as an error and [counted](crate::change::RevocationCounts::weakened_blocks).
    pub fn max_revocations(mut self, most: usize) -> Self {
        self.limits.revocations.rows = most;
        self
    }

    /// Limits how many suspensions are stored, over all issuer entries, including lifted ones. Default: 100,000. Beyond
    /// the limit, a new suspension takes the place of one of the issuer entry that has most: of a lifted one, or else of the
    /// latest, which from then on rejects only the tokens that were issued until it was set. That is logged as an error and
    /// [counted](crate::change::RevocationCounts::weakened_blocks). An entry with fewer suspensions than another one loses none.
    pub fn max_suspensions(mut self, most: usize) -> Self {
        self.limits.revocations.suspensions = most;
        self
    }

    /// Limits how many [leases](crate::lease) exist at the same time, in total and for each subject. Beyond either
    /// limit a request for a lease receives 503. Default: 200,000 in total, 1,000 for each subject.
    pub fn max_leases(mut self, all: usize, each: usize) -> Self {
        self.limits.leases = LeaseBounds { all, each };
        self
    }

    /// Limits the number of issuer entries, including those added at run time. Default: 1024.
    pub fn max_issuers(mut self, most: usize) -> Self {
        self.limits.max_issuers = most;
        self
    }
}
