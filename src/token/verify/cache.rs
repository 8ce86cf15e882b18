//! Tokens that have been verified: the next request with one costs no crypto and no JSON.
//!
//! What a token rests on is looked at on every hit, and so are its times ([`stands`]); audience, organization and
//! scopes are not this module's business, and judged on every request. The library's part is to free memory, never to
//! decide.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arc_swap::ArcSwap;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, Weighter};

use super::times;
use crate::engine::{MissingKey, Stop};
use crate::issuer::TrustedIssuers;
use crate::issuer::keys::{Generation, Lookup, Sought};
use crate::lock::step;
use crate::rejection::Rejection;
use crate::time::Now;
use crate::token::AccessToken;

/// What one entry may weigh.
const LARGEST: u64 = 8 * 1024;
/// What an entry weighs beside what varies from token to token: rounded up from what is measured.
const FIXED: usize = 512;
/// What an entry weighs by and large.
const USUAL: u64 = 2 * 1024;

/// The verified tokens of one server, by the whole token.
pub(crate) struct VerifiedTokens {
    cache: Option<Cache<Key, AccessToken, Bytes>>,
    generation: Generation,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, AccessToken> for Bytes {
    fn weight(&self, _: &Key, token: &AccessToken) -> u64 {
        weight(token)
    }
}

fn weight(token: &AccessToken) -> u64 {
    u64::try_from(token.size() + FIXED).unwrap_or(u64::MAX)
}

/// A token as it came, compared as a whole. Only its end is hashed: that is signature, and as good as random, since only
/// tokens with a valid one are kept, and no key is taken for which one signature fits many messages.
struct Whole<T>(T);

type Key = Whole<Arc<[u8]>>;

/// As many characters as hold 96 bits.
const HASHED: usize = 16;

impl<T: AsRef<[u8]>> Hash for Whole<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let token = self.0.as_ref();
        state.write(token.last_chunk::<HASHED>().map_or(token, |end| end));
    }
}

impl<T: AsRef<[u8]>, U: AsRef<[u8]>> PartialEq<Whole<U>> for Whole<T> {
    fn eq(&self, other: &Whole<U>) -> bool {
        self.0.as_ref() == other.0.as_ref()
    }
}

impl<T: AsRef<[u8]>> Eq for Whole<T> {}

impl Equivalent<Key> for Whole<&[u8]> {
    fn equivalent(&self, key: &Key) -> bool {
        self == key
    }
}

impl VerifiedTokens {
    /// Holds so many bytes at most; none if zero.
    pub(crate) fn new(bytes: u64, generation: Generation) -> Self {
        // Nothing is allocated ahead. The estimate decides into how many parts the cache falls, each with a lock of its own:
        // too low, and all threads share two.
        let entries = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
        let cache = || {
            Cache::with(entries, bytes, Bytes, quick_cache::DefaultHashBuilder::default(), DefaultLifecycle::default())
        };
        Self { cache: (bytes > 0).then(cache), generation }
    }

    /// Counts what verified tokens rest on.
    pub(crate) const fn generation(&self) -> &Generation {
        &self.generation
    }

    /// The token, if it has been verified before and would be again. `None` otherwise: then it is verified anew.
    ///
    /// # Errors
    ///
    /// Returns an error if its time is over, or has not come, or its key must be fetched first.
    pub(crate) fn get(
        &self,
        token: &[u8],
        entries: &ArcSwap<TrustedIssuers>,
        now: &Now,
    ) -> Result<Option<AccessToken>, Stop> {
        let Some(cache) = &self.cache else { return Ok(None) };
        step();
        let Some(found) = cache.get(&Whole(token)) else { return Ok(None) };
        match stands(&found, entries, &self.generation, now) {
            Ok(stands) => Ok(stands.then_some(found)),
            Err(stop) => {
                if matches!(stop, Stop::Reject(_)) {
                    cache.remove(&Whole(token));
                }
                Err(stop)
            }
        }
    }

    /// How many tokens are held, and what they weigh in bytes.
    pub(crate) fn load(&self) -> (usize, u64) {
        self.cache.as_ref().map_or((0, 0), |cache| (cache.len(), cache.weight()))
    }

    pub(crate) fn insert(&self, token: &AccessToken) {
        let (Some(cache), Some((jws, _))) = (&self.cache, token.jws()) else { return };
        if weight(token) <= LARGEST {
            step();
            cache.insert(Whole(jws.clone()), token.clone());
        }
    }
}

/// Whether the token would be verified the same way: by the same entry, with the same key, in its time. If not, there is no
/// telling but by verifying it anew.
///
/// # Errors
///
/// Returns an error if the token's time is over, or has not come, or the key must be fetched first.
pub(crate) fn stands(
    token: &AccessToken,
    entries: &ArcSwap<TrustedIssuers>,
    generation: &Generation,
    now: &Now,
) -> Result<bool, Stop> {
    let Some((_, provenance)) = token.jws() else { return Ok(false) };
    let (kid, times, leeway) = (provenance.kid.as_deref(), token.times(), provenance.leeway);
    let about = |rejection: Rejection| rejection.about(token.subject().entry().name(), kid);
    // Counted before anything is looked at: what changes meanwhile is looked at the next time.
    let generation = generation.current();
    if provenance.settled.holds(generation, now) {
        times::judge(times, leeway, *now).map_err(about)?;
        return Ok(true);
    }
    step();
    let entries = entries.load();
    let Some((_, entry)) = entries.trusted(token.issuer()).filter(|(_, entry)| entry.rules.entry == token.entry())
    else {
        return Ok(false);
    };
    // Before the key, as with a new token: what has expired is not worth a fetch.
    times::judge_end(times, leeway, *now).map_err(about)?;
    match entry.keys.holds_until(&provenance.key, kid, provenance.algorithm, now.monotonic) {
        Some(until) => provenance.settled.store(generation, until),
        // Asked as if it were new, so that a hit drives the refresh ahead as well, and waits where it must.
        None => match entry.keys.lookup(Sought::of(kid, provenance.algorithm), None, now.monotonic) {
            Lookup::Key(_) if entry.keys.accepts(&provenance.key, kid, provenance.algorithm) => {}
            // Asked twice, it would take this for another request.
            Lookup::Wait(arrival) => {
                let is_new = times::is_new(times, *now);
                return Err(MissingKey::of(entry, Sought::of(kid, provenance.algorithm), arrival, is_new).into());
            }
            Lookup::Key(_) | Lookup::Refused(_) => return Ok(false),
        },
    }
    times::judge_begin(times, leeway, *now).map_err(about)?;
    Ok(true)
}
