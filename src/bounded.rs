//! The bounded cache of everything but tokens.
//!
//! moka's cache is a large generic: each pair of a key and a value type compiles all of it again. So all of them are one cache of
//! erased keys and values, and a [`Bounded`] knows the types.

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use moka::sync::{Cache, CacheBuilder};

/// A cache that holds values of one type, each shared with those that it was given to.
pub(crate) struct Bounded<K, V> {
    entries: Erased,
    of: PhantomData<fn(K, V)>,
}

type Erased = Cache<Box<dyn Key>, Value>;
type Value = Arc<dyn Any + Send + Sync>;

/// What bounds a cache, and when it forgets.
pub(crate) type Bounds = CacheBuilder<Box<dyn Key>, Value, Erased>;

/// A key of whatever type. Keys of different types are never equal.
pub(crate) trait Key: Any + Send + Sync {
    fn is_same(&self, other: &dyn Any) -> bool;
    fn hash_into(&self, state: &mut dyn Hasher);
}

impl<K: Eq + Hash + Send + Sync + 'static> Key for K {
    fn is_same(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }

    fn hash_into(&self, mut state: &mut dyn Hasher) {
        self.hash(&mut state);
    }
}

impl PartialEq for dyn Key {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other)
    }
}

impl Eq for dyn Key {}

impl Hash for dyn Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash_into(state);
    }
}

impl<K: Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Bounded<K, V> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { entries: bounds.build(), of: PhantomData }
    }

    /// Bounds the sum of what the entries weigh, rather than their number.
    pub(crate) fn weighed(bounds: Bounds, weigh: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        Self::new(bounds.weigher(move |key, value| {
            let key: &dyn Any = &**key;
            let both = key.downcast_ref().zip(value.downcast_ref());
            both.map_or(u32::MAX, |(key, value)| weigh(key, value))
        }))
    }

    pub(crate) fn get(&self, key: &K) -> Option<Arc<V>> {
        find(&self.entries, key)?.downcast().ok()
    }

    pub(crate) fn insert(&self, key: K, value: Arc<V>) {
        insert(&self.entries, Box::new(key), value);
    }

    /// The value of a key; a new one if there is none. Callers that come at the same time receive the same.
    pub(crate) fn get_or_default(&self, key: K) -> Arc<V>
    where
        V: Default,
    {
        if let Some(value) = self.get(&key) {
            return value;
        }
        find_or_insert(&self.entries, Box::new(key), || Arc::<V>::default()).downcast().unwrap_or_default()
    }

    pub(crate) fn clear(&self) {
        self.entries.invalidate_all();
    }

    /// The cache, after the work that it had put off.
    #[cfg(test)]
    pub(crate) fn settled(&self) -> &Erased {
        self.entries.run_pending_tasks();
        &self.entries
    }
}

fn find(entries: &Erased, key: &dyn Key) -> Option<Value> {
    entries.get(key)
}

fn insert(entries: &Erased, key: Box<dyn Key>, value: Value) {
    entries.insert(key, value);
}

fn find_or_insert(entries: &Erased, key: Box<dyn Key>, new: fn() -> Value) -> Value {
    entries.get_with(key, new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(most: u64) -> Bounds {
        Cache::builder().max_capacity(most)
    }

    #[test]
    fn value_is_found_by_an_equal_key_alone() {
        let cache = Bounded::<(u8, Arc<str>), String>::new(bounds(10));
        let key = |number, text: &str| (number, Arc::from(text));
        let value = Arc::new("value".to_owned());
        cache.insert(key(1, "a"), value.clone());
        assert!(Arc::ptr_eq(&cache.get(&key(1, "a")).unwrap(), &value));
        for other in [key(2, "a"), key(1, "b")] {
            assert_eq!(cache.get(&other), None, "{other:?}");
        }
        cache.insert(key(1, "a"), Arc::new("another".to_owned()));
        assert_eq!(*cache.get(&key(1, "a")).unwrap(), "another");
        cache.clear();
        assert_eq!(cache.get(&key(1, "a")), None);
    }

    #[test]
    fn keys_of_different_types_are_different() {
        let key: &dyn Key = &1_u8;
        assert!(key == &1_u8 as &dyn Key);
        assert!(key != &2_u8 as &dyn Key);
        assert!(key != &1_i8 as &dyn Key);
    }

    #[test]
    fn everybody_receives_the_same_default() {
        let cache = Bounded::<u8, String>::new(bounds(10));
        let first = cache.get_or_default(1);
        assert!(Arc::ptr_eq(&first, &cache.get_or_default(1)));
        assert!(Arc::ptr_eq(&first, &cache.get(&1).unwrap()));
        assert!(!Arc::ptr_eq(&first, &cache.get_or_default(2)));
        assert_eq!(cache.get(&3), None);
    }

    #[test]
    fn weights_are_bounded_and_not_the_number() {
        let cache = Bounded::weighed(bounds(100), |key: &u8, value: &u32| u32::from(*key) + value);
        cache.insert(1, Arc::new(101));
        cache.insert(2, Arc::new(40));
        cache.insert(3, Arc::new(50));
        let kept = cache.settled();
        assert_eq!((kept.entry_count(), kept.weighted_size()), (2, 95));
        assert_eq!(cache.get(&1), None);
    }
}
