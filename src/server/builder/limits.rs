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
    /// The largest token that is looked at, in bytes. Default: 8 KiB; 1 MiB at most.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_token_bytes = bytes;
        self
    }

    /// How much memory verified tokens may take, in bytes: a token that was verified once is not verified again, as long as
    /// its key is the issuer's and its time is not over. Zero turns it off. Default: 64 MiB, room for some 35,000 tokens.
    ///
    /// What a route asks of a token is judged on every request all the same.
    pub fn token_cache_bytes(mut self, bytes: u64) -> Self {
        self.limits.token_cache_bytes = bytes;
        self
    }

    /// How many signatures are checked at once. Default: half the cores, at least one.
    ///
    /// A token that was verified before needs no check. So a flood of forged tokens leaves room for known clients.
    pub fn max_concurrent_verifications(mut self, at_once: usize) -> Self {
        self.limits.permits.at_once = at_once;
        self
    }

    /// How many requests may wait for a signature check, and how long each: beyond that the answer is 503 with
    /// `Retry-After`. Default: 64, 20 ms; ten seconds at most.
    pub fn verification_queue(mut self, length: usize, wait: Duration) -> Self {
        self.limits.permits.queue = length;
        self.limits.permits.wait = wait;
        self
    }

    /// How many answers of the sources of permissions are kept at most, each for one subject, organization and model.
    /// Default: 10,000.
    pub fn live_permissions(mut self, most: u64) -> Self {
        self.limits.live_permissions = most;
        self
    }

    /// How long all waits of one request may take together: for keys, permissions, decisions. Beyond that the response is 503,
    /// whatever the policy says about errors. Default: 5 s; one minute at most.
    pub fn max_wait(mut self, limit: Duration) -> Self {
        self.limits.max_wait = limit;
        self
    }

    /// Sets how long a request may wait for what a policy needs that is judged and not enforced
    /// ([`Policy::shadow`](crate::Policy::shadow), [`Policy::dangerous_shadow_only`](crate::Policy::dangerous_shadow_only)).
    /// Beyond that it is undecided. Default: 250 ms; five seconds at most. With zero it never waits.
    pub fn shadow_wait(mut self, limit: Duration) -> Self {
        self.limits.shadow_wait = limit;
        self
    }

    /// Sets the longest life of a token, from `iat` to `exp`. Default: 24 h.
    ///
    /// Every revocation but a suspension is kept for so long, and five minutes more for the leeway. A revoked token that lives
    /// longer would be accepted again after that.
    pub fn max_token_life(mut self, life: Duration) -> Self {
        self.limits.revocations.token_life = life;
        self
    }

    /// Sets how many revocations are kept, over all issuer entries: subjects, members, organizations, clients and tokens.
    /// Default: 100,000, which take some 20 MB. Beyond that the oldest become coarser ones, which reject more and never less.
    pub fn max_revocations(mut self, most: usize) -> Self {
        self.limits.revocations.rows = most;
        self
    }

    /// Sets how many suspensions are kept, over all issuer entries, lifted ones included. Default: 100,000. Beyond that one
    /// more rejects the tokens up to its moment only, which is logged as an error and
    /// [counted](crate::change::RevocationCounts::weakened_blocks).
    pub fn max_suspensions(mut self, most: usize) -> Self {
        self.limits.revocations.suspensions = most;
        self
    }

    /// Sets how many [leases](crate::lease) there may be at a time, in all and of each subject. Beyond that a request for one
    /// receives 503. Default: 200,000 in all, 1,000 of each subject.
    pub fn max_leases(mut self, all: usize, each: usize) -> Self {
        self.limits.leases = LeaseBounds { all, each };
        self
    }

    /// The most issuer entries that this server may have, those added while it runs included. Default: 1024.
    pub fn max_issuers(mut self, most: usize) -> Self {
        self.limits.max_issuers = most;
        self
    }
}
