//! Tokens that have been verified: the next request with one costs no crypto and no JSON.
//!
//! What a token rests on is looked at on every hit, and so are its times ([`reverify::stands`]); audience, organization and
//! scopes are not this module's business, and judged on every request. The library's part is to free memory, never to
//! decide.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arc_swap::ArcSwap;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, Weighter};

use super::reverify;
use crate::engine::Stop;
use crate::issuer::TrustedIssuers;
use crate::issuer::keys::Changes;
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
    changes: Changes,
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
    pub(crate) fn new(bytes: u64, changes: Changes) -> Self {
        // Nothing is allocated ahead. The estimate decides into how many parts the cache falls, each with a lock of its own:
        // too low, and all threads share two.
        let entries = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
        let cache = || {
            Cache::with(entries, bytes, Bytes, quick_cache::DefaultHashBuilder::default(), DefaultLifecycle::default())
        };
        Self { cache: (bytes > 0).then(cache), changes }
    }

    /// Counts what verified tokens rest on.
    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The token, if it has been verified before and would be again. `None` otherwise: then it is verified anew.
    ///
    /// # Errors
    ///
    /// When its time is over, or has not come, or its key must be fetched first.
    pub(crate) fn get(
        &self,
        token: &[u8],
        entries: &ArcSwap<TrustedIssuers>,
        now: &Now,
    ) -> Result<Option<AccessToken>, Stop> {
        let Some(cache) = &self.cache else { return Ok(None) };
        let Some(found) = cache.get(&Whole(token)) else { return Ok(None) };
        match reverify::stands(&found, entries, &self.changes, now) {
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
            cache.insert(Whole(jws.clone()), token.clone());
        }
    }
}
