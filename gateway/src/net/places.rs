use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How often to look whether there are more places than before, while all are taken.
const LOOK: Duration = Duration::from_secs(1);

/// The places of a face's connections. A connection that was upgraded keeps its place.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// How many there are, free or not.
    all: usize,
}

/// One of the places. It is free again when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Place(#[allow(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

impl Places {
    /// Waits for a free place. `most` says how many there may be, and is asked each time: a reload changes it.
    pub(super) async fn take(&mut self, most: impl Fn() -> usize) -> Place {
        loop {
            self.resize(most());
            let free = self.free.clone().acquire_owned();
            if let Ok(Ok(place)) = tokio::time::timeout(LOOK, free).await {
                // Whoever waits receives a place that becomes free: `resize` does not see it.
                if self.all > most() {
                    place.forget();
                    self.all -= 1;
                    continue;
                }
                return Place(Arc::new(place));
            }
        }
    }

    /// Places that are taken and too many go once they are free.
    fn resize(&mut self, most: usize) {
        if most > self.all {
            self.free.add_permits(most - self.all);
            self.all = most;
        } else {
            self.all -= self.free.forget_permits(self.all - most);
        }
    }

    /// Waits until no place is taken.
    pub(super) async fn all_free(&self) {
        // It is never closed, so that there is no error.
        _ = self.free.acquire_many(u32::try_from(self.all).unwrap_or(u32::MAX)).await;
    }
}

impl Default for Places {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(0)), all: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn number_of_places_follows_what_it_may_be() {
        let mut places = Places::default();
        let one = places.take(|| 2).await;
        let kept = one.clone();
        let other = places.take(|| 2).await;
        assert!(tokio::time::timeout(LOOK * 3, places.take(|| 2)).await.is_err(), "both are taken");
        drop(one);
        assert!(tokio::time::timeout(LOOK * 3, places.take(|| 2)).await.is_err(), "a clone holds it");
        let third = places.take(|| 3).await;
        drop((kept, third));
        assert!(
            tokio::time::timeout(LOOK * 3, places.take(|| 1)).await.is_err(),
            "one of three is taken, and one is left"
        );
        assert_eq!(places.all, 1);
        assert!(tokio::time::timeout(LOOK, places.all_free()).await.is_err());
        drop(other);
        places.all_free().await;
    }

    #[tokio::test(start_paused = true)]
    async fn place_that_becomes_free_while_there_are_too_many_is_taken_by_no_connection() {
        let mut places = Places::default();
        let (one, other) = (places.take(|| 2).await, places.take(|| 2).await);
        let freed = async {
            tokio::time::sleep(LOOK / 2).await;
            drop(one);
        };
        let (taken, ()) = tokio::join!(tokio::time::timeout(LOOK * 3, places.take(|| 1)), freed);
        assert!(taken.is_err(), "the other one is still taken");
        assert_eq!(places.all, 1);
        drop(other);
        let again = places.take(|| 1).await;
        assert!(tokio::time::timeout(LOOK * 3, places.take(|| 1)).await.is_err());
        drop(again);
    }
}
