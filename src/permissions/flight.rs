//! One fetch: when it may begin, and what is made of its end.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::slot::FlightId;
use super::source::{PermissionQuery, Permissions};
use super::source_error::SourceError;
use super::store::{Cell, LivePermissions, Source};
use crate::change::Epoch;
use crate::flight::End;
use crate::issuer::keys::jitter;
use crate::meter::{Call, CallOutcome, Measured};

/// The source must have answered by then.
const DEADLINE: Duration = Duration::from_secs(2);
/// A slot must be free by then.
const MOST_QUEUING: Duration = Duration::from_millis(1500);

/// One fetch of one query.
#[derive(Clone)]
struct Fetch {
    store: Weak<LivePermissions>,
    cell: Weak<Cell>,
    flight: FlightId,
    issuer: Arc<str>,
}

/// Starts a fetch. `put_off`: it begins at some moment within that time.
pub(super) fn start(
    store: &Arc<LivePermissions>,
    source: &Source,
    query: PermissionQuery,
    cell: &Arc<Cell>,
    flight: FlightId,
    put_off: Option<Duration>,
) {
    let (source, issuer) = (source.clone(), query.issuer_name.clone());
    let fetch = Fetch { store: Arc::downgrade(store), cell: Arc::downgrade(cell), flight, issuer };
    let landing = fetch.clone();
    let work = async move {
        if let Some(spread) = put_off {
            sleep(spread.mul_f64(jitter())).await;
        }
        let Ok(Ok(_slot)) = timeout(MOST_QUEUING, source.slots.enter(Some(&query.subject))).await else {
            // A limit of this process: the source was not asked.
            fetch.not_called();
            return Err(SourceError::new("too many questions to the source wait already").not_asked());
        };
        let call = fetch.begin()?;
        let late = |_| SourceError::new(format!("no answer within {} s", DEADLINE.as_secs()));
        let outcome = timeout(DEADLINE, source.ask.permissions(&query)).await.map_err(late)?;
        call.end(CallOutcome::from(&outcome));
        outcome
    };
    cell.flight.start(work, move |end| landing.land(end));
}

impl Fetch {
    /// From here on the source is asked.
    fn begin(&self) -> Result<Measured, SourceError> {
        let (Some(store), Some(cell)) = (self.store.upgrade(), self.cell.upgrade()) else {
            return Err(SourceError::new("the server is gone").not_asked());
        };
        store.counts.fetches.fetch_add(1, Ordering::Relaxed);
        cell.lock().begin(self.flight, Epoch::next(), store.clock.now());
        Ok(store.meter.begin(Call::PermissionSource, Some(&self.issuer), &store.clock))
    }

    fn not_called(&self) {
        if let Some(store) = self.store.upgrade() {
            store.meter.note(|to| to.not_called(Call::PermissionSource, Some(&self.issuer)));
        }
    }

    fn land(&self, end: End<Result<Permissions, SourceError>>) {
        let (Some(store), Some(cell)) = (self.store.upgrade(), self.cell.upgrade()) else { return };
        let outcome = match end {
            End::Done(outcome) => outcome,
            End::Panicked => Err(SourceError::new("the source panicked")),
            // Whoever waits, or comes next, starts another.
            End::Lost => return cell.lock().lost(self.flight),
        };
        let failed = outcome.as_ref().err().cloned();
        cell.lock().land(self.flight, outcome, store.clock.now().monotonic);
        if let Some(error) = failed {
            store.counts.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(target: "orgate", issuer = &*self.issuer, %error, "live permissions not fetched");
        }
    }
}
