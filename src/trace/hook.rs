//! Which context goes along.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::HeaderMap;

use super::context::TraceContext;

/// Which context goes along: that of the request by default, or what the tracer of the process says of the current span.
#[derive(Clone, Default)]
pub(crate) enum Hook {
    #[default]
    OfRequest,
    OfSpan(Arc<dyn Fn() -> Option<TraceContext> + Send + Sync>),
    None,
}

impl Hook {
    pub(crate) fn new(hook: impl Fn() -> Option<TraceContext> + Send + Sync + 'static) -> Self {
        Self::OfSpan(Arc::new(hook))
    }

    /// The context of a request.
    pub(crate) fn incoming(&self, headers: &HeaderMap) -> Option<TraceContext> {
        if matches!(self, Self::None) { None } else { TraceContext::of(headers) }
    }

    /// The context of the current span, where the application said how to find it. Its code may panic.
    pub(crate) fn context(&self) -> Option<TraceContext> {
        let Self::OfSpan(hook) = self else { return None };
        catch_unwind(AssertUnwindSafe(|| hook())).unwrap_or_else(|_| {
            tracing::error!(target: "orgate", "the hook for the trace context panicked");
            None
        })
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OfRequest => "Hook::OfRequest",
            Self::OfSpan(_) => "Hook::OfSpan",
            Self::None => "Hook::None",
        })
    }
}
