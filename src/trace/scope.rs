//! The context of what runs now.

use std::future::Future;

use super::context::TraceContext;

tokio::task_local! {
    static CURRENT: Option<TraceContext>;
}

/// Runs `work` with this context; without one, with that of the caller.
pub(crate) fn carry<F: Future>(context: Option<TraceContext>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(context.or_else(current), work)
}

/// Returns the trace context of the decision for which a [`PermissionSource`](crate::permissions::PermissionSource), a
/// [`DecisionPoint`](crate::decision::DecisionPoint) or a [`Fetch`](crate::http::Fetch) is called: for those that send requests
/// by a client of their own. `None` if the request had none.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}
