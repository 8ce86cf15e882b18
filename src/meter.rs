//! Where measurements go: nowhere, unless a server was built with metrics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::time::Clock;

/// Receives what is measured besides decisions. It is called from requests and fetches, so it must not block.
pub(crate) trait Sink: Send + Sync {
    fn call_began(&self, call: Call, issuer: Option<&str>);
    fn call_ended(&self, call: Call, issuer: Option<&str>, outcome: CallOutcome, took: Duration);
    /// A limit of this process was reached before the call.
    fn not_called(&self, call: Call, issuer: Option<&str>);
    fn verification_refused(&self);
    fn stale_keys_served(&self, issuer: &str);
    fn unknown_kid_suppressed(&self, issuer: &str);
    fn without_answer(&self, by: Instead);
    fn webhook(&self, issuer: &str, event: &'static str, outcome: &'static str);
    /// Returns the issuer entries that were present at the last call and are not now.
    fn gone(&self, present: &[Arc<str>]) -> Vec<Arc<str>>;
}

/// Which other server is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    KeySet,
    Introspection,
    PermissionSource,
    DecisionPoint,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    Answered,
    Failed,
    /// It took too long, panicked, or its runtime ended.
    GivenUp,
}

/// What a request was judged by because there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    StalePermissions,
    TokenOnly,
    AllowedOnError,
}

impl Instead {
    pub(crate) const ALL: [Self; 3] = [Self::StalePermissions, Self::TokenOnly, Self::AllowedOnError];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::StalePermissions => "stale_permissions",
            Self::TokenOnly => "token_only",
            Self::AllowedOnError => "allowed_on_error",
        }
    }
}

/// The sink of one server, if it has one. A cheap clone.
#[derive(Clone, Default)]
pub(crate) struct Meter(pub(crate) Option<Arc<dyn Sink>>);

impl Meter {
    /// Begins to measure a call. Dropped before its [`end`](Measured::end), it counts as given up.
    pub(crate) fn begin(&self, call: Call, issuer: Option<&Arc<str>>, clock: &Arc<dyn Clock>) -> Measured {
        Measured(self.0.as_ref().map(|sink| {
            sink.call_began(call, issuer.map(|issuer| &**issuer));
            let began = clock.now().monotonic;
            Running { sink: sink.clone(), clock: clock.clone(), call, issuer: issuer.cloned(), began }
        }))
    }

    /// Reports to the sink, if there is one.
    pub(crate) fn note(&self, report: impl FnOnce(&dyn Sink)) {
        if let Some(sink) = &self.0 {
            report(&**sink);
        }
    }
}

/// A call under way.
#[must_use = "dropped, it counts as given up"]
pub(crate) struct Measured(Option<Running>);

struct Running {
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
    call: Call,
    issuer: Option<Arc<str>>,
    began: Duration,
}

impl Measured {
    pub(crate) fn end(mut self, outcome: CallOutcome) {
        self.report(outcome);
    }

    fn report(&mut self, outcome: CallOutcome) {
        if let Some(Running { sink, clock, call, issuer, began }) = self.0.take() {
            let took = clock.now().monotonic.saturating_sub(began);
            sink.call_ended(call, issuer.as_deref(), outcome, took);
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.report(CallOutcome::GivenUp);
    }
}

impl<T, E> From<&Result<T, E>> for CallOutcome {
    fn from(outcome: &Result<T, E>) -> Self {
        if outcome.is_ok() { Self::Answered } else { Self::Failed }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meter").field(&self.0.is_some()).finish()
    }
}
