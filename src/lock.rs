//! Locks that outlive a panic.
//!
//! Every value under a lock of this crate is valid at every step, so what a panic leaves behind can be used.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(test)]
    if let Some(guard) = crate::interleave::take(|| tried(mutex.try_lock())) {
        return guard;
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    #[cfg(test)]
    if let Some(guard) = crate::interleave::take(|| tried(lock.try_read())) {
        return guard;
    }
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    #[cfg(test)]
    if let Some(guard) = crate::interleave::take(|| tried(lock.try_write())) {
        return guard;
    }
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Marks a moment at which another thread may see or change what is shared without a lock: tests interleave threads there.
/// Compiles to nothing.
#[inline]
pub(crate) fn step() {
    #[cfg(test)]
    crate::interleave::step();
}

#[cfg(test)]
fn tried<G>(attempt: std::sync::TryLockResult<G>) -> Option<G> {
    use std::sync::TryLockError;
    match attempt {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
