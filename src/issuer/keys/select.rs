//! Which key of a set a token's header names.

use std::sync::{Arc, Weak};

use super::jwk::{Key, KeySet};
use crate::signature::{Algorithm, VerifyingKey};

/// As many keys of one set are tried for a token that names none of them.
const MOST_TRIED: usize = 4;

/// The key that a token needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought<'a> {
    pub(crate) kid: Option<&'a str>,
    pub(crate) algorithm: Algorithm,
    /// Keys that did not verify the token.
    pub(crate) failed: &'a [Arc<VerifyingKey>],
}

impl<'a> Sought<'a> {
    pub(crate) const fn of(kid: Option<&'a str>, algorithm: Algorithm) -> Self {
        Self { kid, algorithm, failed: &[] }
    }

    fn has_failed(&self, key: &Arc<VerifyingKey>) -> bool {
        self.failed.iter().any(|failed| Arc::ptr_eq(failed, key))
    }
}

/// What a set says about the key that a token names.
#[derive(Debug)]
pub(crate) enum Selection<'a> {
    Key(&'a Arc<VerifyingKey>),
    /// The set knows the `kid`, but has no key of that name for the token's algorithm; or no `kid` was given and not
    /// exactly one key fits.
    NoneFits,
    /// The set does not know the key: a newer one might.
    Unknown,
}

impl KeySet {
    /// The key that a token's header names. Where the issuer's keys have no names: the next one to try.
    pub(crate) fn select(&self, sought: Sought<'_>) -> Selection<'_> {
        let fits = |key: &&Key| key.verifying.algorithm() == sought.algorithm;
        match sought.kid {
            Some(kid) if self.is_named(kid) => {
                let mut named = self.keys.iter().filter(|key| key.kid.as_deref() == Some(kid));
                named.find(fits).map_or(Selection::NoneFits, |key| Selection::Key(&key.verifying))
            }
            None if !self.tries_keys => {
                let mut fitting = self.keys.iter().filter(fits);
                match (fitting.next(), fitting.next()) {
                    (Some(key), None) => Selection::Key(&key.verifying),
                    _ => Selection::NoneFits,
                }
            }
            kid => match self.guesses(kid, sought.algorithm).find(|key| !sought.has_failed(key)) {
                Some(key) => Selection::Key(key),
                // A fetch is for tokens that were tried.
                None if kid.is_none() && sought.failed.is_empty() => Selection::NoneFits,
                None => Selection::Unknown,
            },
        }
    }

    /// Whether a token with this header may rest on this key.
    pub(crate) fn accepts(&self, key: &Weak<VerifyingKey>, kid: Option<&str>, algorithm: Algorithm) -> bool {
        let is_it = |held: &Arc<VerifyingKey>| Weak::as_ptr(key) == Arc::as_ptr(held);
        matches!(self.select(Sought::of(kid, algorithm)), Selection::Key(held) if is_it(held))
            || self.guesses(kid, algorithm).any(is_it)
    }

    /// The keys that are tried for a token that names none: any for one without a `kid`, those without a `kid` for one that
    /// has one.
    fn guesses(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Arc<VerifyingKey>> {
        let guesses = self.tries_keys && !kid.is_some_and(|kid| self.is_named(kid));
        let may_be =
            move |key: &&Key| guesses && key.verifying.algorithm() == algorithm && (kid.is_none() || key.kid.is_none());
        self.keys.iter().filter(may_be).take(MOST_TRIED).map(|key| &key.verifying)
    }

    /// Whether the document has a key of this name, usable or not.
    fn is_named(&self, kid: &str) -> bool {
        self.keys
            .iter()
            .filter_map(|key| key.kid.as_deref())
            .chain(self.unusable.iter().map(|kid| &**kid))
            .any(|known| known == kid)
    }
}
