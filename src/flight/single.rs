//! One task for each key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;

use super::launch::{End, has_runtime, launch};
use super::one::Unfinished;
use crate::future::BoxFuture;
use crate::lock::lock;

/// Runs one task for each key at a time. Whoever asks for a key whose task is under way waits for that task.
///
/// A key is held for as long as its task runs, and how many run is bounded by the work itself, by a
/// [`Bulkhead`](super::Bulkhead) for instance.
pub(crate) struct SingleFlight<K, T>(Arc<Mutex<Flights<K, T>>>);

type Flights<K, T> = HashMap<K, Arc<Ended<T>>>;
type Ended<T> = watch::Sender<Option<End<T>>>;
type Work<'a, T> = &'a (dyn Fn() -> BoxFuture<'static, T> + Sync);

impl<K, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, T> SingleFlight<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Returns what the task for `key` brought, and starts one with `work` if there is none. A task that was lost is replaced
    /// at once. `Done` is the task's value; `Panicked` and the error are for the caller to put into words.
    ///
    /// # Errors
    ///
    /// Returns `Late` after `most`. The task is then taken for lost if it was waited for as long as that, so `most` must be
    /// longer than any task takes.
    pub(crate) async fn join<F>(
        &self,
        key: K,
        most: Duration,
        work: impl Fn() -> F + Sync,
    ) -> Result<Result<T, Panicked>, Unfinished>
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.wait(key, most, &|| work().boxed()).await
    }

    async fn wait(&self, key: K, most: Duration, work: Work<'_, T>) -> Result<Result<T, Panicked>, Unfinished> {
        if !has_runtime() {
            return Err(Unfinished::NoRuntime);
        }
        let mut first = None;
        let waiting = async {
            loop {
                let flight = self.current(&key, work);
                first.get_or_insert_with(|| flight.clone());
                let end = flight.subscribe().wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
                match end {
                    Some(End::Done(value)) => return Ok(value),
                    Some(End::Panicked) => return Err(Panicked),
                    // Of a runtime that has ended. Not without a pause, in case it is this one that ends.
                    Some(End::Lost) | None => tokio::task::yield_now().await,
                }
            }
        };
        if let Ok(outcome) = tokio::time::timeout(most, waiting).await {
            Ok(outcome)
        } else {
            // Waited for from beginning to end, and still out: the runtime that drives it stands still.
            if let Some(flight) = first {
                remove(&self.0, &key, &flight);
            }
            Err(Unfinished::Late)
        }
    }

    /// Starts the task for `key` if there is none, and waits for nothing.
    pub(crate) fn start<F>(&self, key: &K, work: impl Fn() -> F + Sync)
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.current(key, &|| work().boxed());
    }

    /// The task for a key, started if there is none.
    fn current(&self, key: &K, work: Work<'_, T>) -> Arc<Ended<T>> {
        if let Some(flight) = self.lock().get(key) {
            return flight.clone();
        }
        // The caller's code: not under the lock.
        let work = work();
        let flight = Arc::new(watch::Sender::new(None));
        match self.lock().entry(key.clone()) {
            Entry::Occupied(flight) => return flight.get().clone(),
            Entry::Vacant(free) => _ = free.insert(flight.clone()),
        }
        // Not under the lock: a runtime that is shutting down drops the task, which lands, at once.
        let (flights, of, landing) = (self.0.clone(), key.clone(), flight.clone());
        launch(work, move |end| {
            // Whoever comes after the end starts another.
            remove(&flights, &of, &landing);
            landing.send_replace(Some(end));
        });
        flight
    }

    fn lock(&self) -> MutexGuard<'_, Flights<K, T>> {
        lock(&self.0)
    }

    /// How many tasks are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.lock().len()
    }
}

/// The code that was asked panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

fn remove<K: Eq + Hash, T>(flights: &Mutex<Flights<K, T>>, key: &K, flight: &Arc<Ended<T>>) {
    let mut flights = lock(flights);
    if flights.get(key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
        flights.remove(key);
    }
}
