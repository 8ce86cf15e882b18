//! The project and the environment of a key, which the paths of the API name.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};

use super::builder::SYNC_DEADLINE;
use super::sync::{SyncError, refused};
use super::{Permit, client::Facts};
use crate::flight::{NO_RUNTIME, Panicked, SingleFlight, Unfinished};
use crate::http::percent;
use crate::json::Object;
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

impl Permit {
    /// Where facts are told and asked for.
    pub(super) async fn facts(&self) -> Result<String, SyncError> {
        match &self.0.facts {
            Facts::Pdp { .. } => Ok(format!("{}/facts", self.0.pdp)),
            Facts::Api { base, scope } => Ok(format!("{base}/v2/facts/{}", self.scope(base, scope).await?)),
        }
    }

    async fn scope(&self, base: &str, scope: &Arc<KeyScope>) -> Result<Arc<str>, SyncError> {
        if let Some(known) = scope.known() {
            return known;
        }
        let work = || {
            let (permit, scope, url) = (self.clone(), scope.clone(), format!("{base}/v2/api-key/scope"));
            async move {
                // Another one may have landed meanwhile.
                if let Some(known) = scope.known() {
                    return known;
                }
                let asked = permit.ask_scope(&url).await.map(Arc::from);
                scope.keep(&asked);
                asked
            }
        };
        match scope.flight.join((), SYNC_DEADLINE + MORE, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(Panicked)) => Err(SyncError::setup("the HTTP client panicked")),
            Err(Unfinished::NoRuntime) => Err(SyncError::setup(NO_RUNTIME)),
            Err(Unfinished::Late) => Err(SyncError::passing("the request for the key's scope ended without a result")),
        }
    }

    async fn ask_scope(&self, url: &str) -> Result<String, SyncError> {
        let answer = self.send(Method::GET, url, None).await?;
        if answer.status() != StatusCode::OK {
            return Err(refused(&answer));
        }
        let unusable = || SyncError::setup("the key is not one of an environment");
        let object =
            Object::document(answer.body()).map_err(|error| SyncError::setup(format_args!("its scope: {error}")))?;
        let id = |name| object.string(name).ok().flatten().and_then(|id| percent::segment(&id)).ok_or_else(unusable);
        Ok(format!("{}/{}", id("project_id")?, id("environment_id")?))
    }
}
