//! The project and the environment of a key, which the paths of the API name.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::sync_error::SyncError;
use crate::flight::{NO_RUNTIME, Panicked, SingleFlight, Unfinished};
use crate::lock::lock;
use crate::time::Clock;

/// How soon after a failure the scope is asked for again.
const BACK_OFF: Duration = Duration::from_secs(1);
/// A call ends by itself. Whoever waits longer waits for a runtime that stands still.
const MORE: Duration = Duration::from_millis(500);

/// The scope of a key: asked for when it is first needed, by one call for all who need it, and kept.
pub(super) struct KeyScope {
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    flight: SingleFlight<(), Result<Arc<str>, SyncError>>,
}

#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    Scope(Arc<str>),
    /// Until then.
    Failure(SyncError, Duration),
}

impl KeyScope {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, held: Mutex::default(), flight: SingleFlight::default() }
    }

    /// Returns the scope, which `ask` brings if it is not known. `most` is how long that takes at most.
    pub(super) async fn get<F>(
        self: &Arc<Self>,
        most: Duration,
        ask: impl Fn() -> F + Sync,
    ) -> Result<Arc<str>, SyncError>
    where
        F: Future<Output = Result<String, SyncError>> + Send + 'static,
    {
        if let Some(known) = self.known() {
            return known;
        }
        let work = || {
            let (scope, asking) = (self.clone(), ask());
            async move {
                // Another one may have landed meanwhile.
                if let Some(known) = scope.known() {
                    return known;
                }
                let asked = asking.await.map(Arc::from);
                scope.keep(&asked);
                asked
            }
        };
        match self.flight.join((), most + MORE, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(Panicked)) => Err(SyncError::setup("the HTTP client panicked")),
            Err(Unfinished::NoRuntime) => Err(SyncError::setup(NO_RUNTIME)),
            Err(Unfinished::Late) => Err(SyncError::passing("the request for the key's scope ended without a result")),
        }
    }

    fn known(&self) -> Option<Result<Arc<str>, SyncError>> {
        let now = self.clock.now().monotonic;
        match &*lock(&self.held) {
            Held::Scope(scope) => Some(Ok(scope.clone())),
            Held::Failure(failure, until) if now < *until => Some(Err(failure.clone())),
            Held::Nothing | Held::Failure(..) => None,
        }
    }

    fn keep(&self, asked: &Result<Arc<str>, SyncError>) {
        let until = self.clock.now().monotonic.saturating_add(BACK_OFF);
        *lock(&self.held) = match asked {
            Ok(scope) => Held::Scope(scope.clone()),
            Err(failure) => Held::Failure(failure.clone(), until),
        };
    }
}
