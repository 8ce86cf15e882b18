//! How many signatures are checked at once: a flood of forged tokens must leave room for everybody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::rejection::Rejection;

/// Soon enough: a check takes less than a millisecond.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The limits of signature checks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PermitSettings {
    pub(crate) at_once: usize,
    pub(crate) queue: usize,
    pub(crate) wait: Duration,
}

/// Hands out permits to check a signature.
#[derive(Debug)]
pub(crate) struct Permits {
    free: Arc<Semaphore>,
    at_once: usize,
    waiting: AtomicUsize,
    queue: usize,
    wait: Duration,
}

/// A permit, given back when it is dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

impl Permits {
    pub(crate) fn new(settings: PermitSettings) -> Self {
        let PermitSettings { at_once, queue, wait } = settings;
        Self { free: Arc::new(Semaphore::new(at_once)), at_once, waiting: AtomicUsize::new(0), queue, wait }
    }

    /// How many signatures are checked now, and how many requests wait to have one checked.
    pub(crate) fn load(&self) -> (usize, usize) {
        let running = self.at_once.saturating_sub(self.free.available_permits());
        (running, self.waiting.load(Ordering::Relaxed).min(self.queue))
    }

    /// A permit, if one is free.
    pub(crate) fn try_acquire(&self) -> Option<Permit> {
        self.free.clone().try_acquire_owned().ok()
    }

    /// A permit, waited for.
    ///
    /// # Errors
    ///
    /// Returns an error if too many wait already, or none came free in time.
    pub(crate) async fn acquire(&self) -> Result<Permit, Rejection> {
        let late = |detail| Rejection::unavailable(RETRY_AFTER, detail);
        let _place = Place::take(self).ok_or_else(|| late("too many requests wait for a signature check"))?;
        // Without a tokio runtime there is no timer to wait with.
        if tokio::runtime::Handle::try_current().is_err() {
            return self.try_acquire().ok_or_else(|| late("no signature check is free"));
        }
        match tokio::time::timeout(self.wait, self.free.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(late("no signature check came free in time")),
        }
    }
}

/// A place in the queue, left when the request goes on or goes away.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(permits: &'a Permits) -> Option<Self> {
        let place = Self(&permits.waiting);
        (permits.waiting.fetch_add(1, Ordering::Relaxed) < permits.queue).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
