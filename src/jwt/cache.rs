//! Tokens that have been verified: the next request with one costs no crypto and no JSON.
//!
//! An entry is good for as long as what it rests on is there: the same issuer entry, and the same key under the same
//! `kid`. The times are judged on every hit; audience, organization and scopes are not this module's business, and judged
//! on every request. The library's part is to free memory, never to decide.

use std::sync::{Arc, Weak};

use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::entries::{Entries, Entry};
use super::times;
use super::verify::Unverified;
use crate::keys::Lookup;
use crate::signature::{Algorithm, VerifyingKey};
use crate::time::Now;
use crate::token::AccessToken;

/// What one entry may weigh.
const LARGEST: u64 = 8 * 1024;
/// What an entry weighs beside the token itself: rounded up from what is measured.
const OVERHEAD: u64 = 1024;

/// A token, and what it was verified with.
pub(crate) struct Proven {
    pub(crate) token: AccessToken,
    pub(super) jws: Arc<[u8]>,
    pub(super) proof: Proof,
}

/// What a verification rests on. It keeps nothing alive: a key that is gone is gone.
#[derive(Clone)]
pub(super) struct Proof {
    pub(super) entry: Weak<Entry>,
    pub(super) key: Weak<VerifyingKey>,
    pub(super) kid: Option<Box<str>>,
    pub(super) algorithm: Algorithm,
}

/// The verified tokens of one server, by the whole token.
pub(crate) struct VerifiedTokens(Option<Cache<Arc<[u8]>, Arc<Proven>, Bytes>>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Arc<[u8]>, Arc<Proven>> for Bytes {
    fn weight(&self, token: &Arc<[u8]>, _: &Arc<Proven>) -> u64 {
        weight(token)
    }
}

fn weight(token: &[u8]) -> u64 {
    u64::try_from(token.len()).unwrap_or(u64::MAX).saturating_add(OVERHEAD)
}

impl VerifiedTokens {
    /// Holds so many bytes at most; none if zero.
    pub(crate) fn new(bytes: u64) -> Self {
        // What it holds grows with what comes: the estimate only sizes what is allocated at once.
        let cache =
            || Cache::with(64, bytes, Bytes, quick_cache::DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self((bytes > 0).then(cache))
    }

    /// The token, if it has been verified before and would be again. `None` otherwise: then it is verified anew.
    ///
    /// # Errors
    ///
    /// When its time is over, or has not come, or its key must be fetched first.
    pub(crate) fn get(&self, token: &[u8], entries: &Entries, now: Now) -> Result<Option<AccessToken>, Unverified> {
        let Some(cache) = &self.0 else { return Ok(None) };
        let Some(proven) = cache.get(token) else { return Ok(None) };
        let Proven { token: verified, proof, .. } = &*proven;
        let Some((_, entry)) = entries.trusted(verified.issuer()) else { return Ok(None) };
        if Weak::as_ptr(&proof.entry) != Arc::as_ptr(entry) {
            return Ok(None);
        }
        let kid = proof.kid.as_deref();
        // Asked as if it were new, so that a hit drives the refresh ahead as well, and waits where it must.
        match entry.keys.lookup(kid, proof.algorithm, now.monotonic) {
            Lookup::Key(key) if Weak::as_ptr(&proof.key) == Arc::as_ptr(&key) => {}
            // Asked twice, it would take this for another request.
            Lookup::Wait(arrival) => return Err(Unverified::needs_key(entry, kid, proof.algorithm, arrival)),
            Lookup::Key(_) | Lookup::Refused(_) => return Ok(None),
        }
        if let Err(rejection) = times::judge(verified.times(), entry.rules.leeway, now) {
            cache.remove(token);
            return Err(rejection.about(&entry.rules.name, kid).into());
        }
        Ok(Some(verified.clone()))
    }

    pub(crate) fn insert(&self, proven: Proven) {
        let Some(cache) = &self.0 else { return };
        if weight(&proven.jws) <= LARGEST {
            cache.insert(proven.jws.clone(), Arc::new(proven));
        }
    }
}
