//! How the tracer of the process names the current span.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::context::TraceContext;

/// Returns the context of the current span, where the application said how to.
#[derive(Clone, Default)]
pub(crate) struct Hook(Option<Arc<dyn Fn() -> Option<TraceContext> + Send + Sync>>);

impl Hook {
    pub(crate) fn new(hook: impl Fn() -> Option<TraceContext> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// The application's code: a panic in it is caught.
    pub(crate) fn context(&self) -> Option<TraceContext> {
        let hook = self.0.as_ref()?;
        catch_unwind(AssertUnwindSafe(|| hook())).unwrap_or_else(|_| {
            tracing::error!(target: "orgate", "the hook for the trace context panicked");
            None
        })
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hook").field(&self.0.is_some()).finish()
    }
}
