//! One fetch, in a task of its own: a client that hangs up does not end it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::slot::FlightId;
use super::source::{PermissionQuery, PermissionSource, Permissions, SourceError};
use super::store::{Cell, LivePermissions};
use crate::issuer::keys::jitter;

/// The source must have answered by then.
const DEADLINE: Duration = Duration::from_secs(2);

/// Starts a fetch; outside a tokio runtime it fails at once. `put_off`: it begins at some moment within that time.
pub(super) fn start(
    store: &Arc<LivePermissions>,
    source: Arc<dyn PermissionSource>,
    query: PermissionQuery,
    cell: Arc<Cell>,
    flight: FlightId,
    put_off: Option<Duration>,
) {
    let landing =
        Landing { store: Arc::downgrade(store), cell, flight: Some(flight), issuer: query.issuer_name.clone() };
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let slots = store.fetches.clone();
    runtime.spawn(async move {
        let fetch = async {
            if let Some(spread) = put_off {
                tokio::time::sleep(spread.mul_f64(jitter())).await;
            }
            let _permit = slots.acquire_owned().await;
            landing.begin()?;
            source.permissions(&query).await
        };
        let outcome = tokio::time::timeout(DEADLINE, fetch).await;
        let late = || SourceError::new(format!("no answer within {} s", DEADLINE.as_secs()));
        landing.report(outcome.unwrap_or_else(|_| Err(late())));
    });
}

/// The end of one fetch. Dropped without a report (a panic, an abort), it reports a failure.
struct Landing {
    store: Weak<LivePermissions>,
    cell: Arc<Cell>,
    flight: Option<FlightId>,
    issuer: Arc<str>,
}

impl Landing {
    /// From here on the source is asked.
    fn begin(&self) -> Result<(), SourceError> {
        let (Some(store), Some(flight)) = (self.store.upgrade(), self.flight) else {
            return Err(SourceError::new("the server is gone"));
        };
        store.counts.fetches.fetch_add(1, Ordering::Relaxed);
        let mut slot = self.cell.lock();
        slot.begin(flight, store.ticket(), store.clock.now());
        Ok(())
    }

    fn report(mut self, outcome: Result<Permissions, SourceError>) {
        self.land(outcome);
    }

    fn land(&mut self, outcome: Result<Permissions, SourceError>) {
        let (Some(flight), Some(store)) = (self.flight.take(), self.store.upgrade()) else { return };
        let failed = outcome.as_ref().err().cloned();
        self.cell.lock().land(flight, outcome, store.clock.now().monotonic);
        self.cell.landed.send_replace(());
        if let Some(error) = failed {
            store.counts.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(target: "orgate", issuer = &*self.issuer, %error, "live permissions not fetched");
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.land(Err(SourceError::new("the fetch was cancelled")));
    }
}
