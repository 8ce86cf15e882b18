//! One task, and how it ended.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::trace::carry;

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End<T> {
    Done(T),
    /// The code of the client or of the source panicked.
    Panicked,
    /// The runtime that drove it ended, or it was given up: nothing is known about the other side.
    Lost,
}

/// What errors say where there is no runtime to run a task, and no timer to wait with.
pub(crate) const NO_RUNTIME: &str = "there is no tokio runtime";

pub(crate) fn has_runtime() -> bool {
    Handle::try_current().is_ok()
}

/// Runs `work` in a task of its own. `land` is called exactly once, whatever happens: also if the task never runs.
pub(super) fn launch<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
    land: impl FnOnce(End<T>) + Send + 'static,
) -> Option<AbortHandle> {
    let landing = Landing { land: Some(land), of: PhantomData };
    // Without a runtime the landing is dropped here, and says so.
    let runtime = Handle::try_current().ok()?;
    // The caller's trace goes along: what was started for it is part of it, whoever else waits.
    let task = async move {
        let mut landing = landing;
        let end = caught(work).await;
        landing.land(end);
    };
    // Boxed, all tasks are one type to the runtime, which compiles much for each.
    let task = runtime.spawn(carry(None, task.boxed()));
    Some(task.abort_handle())
}

/// Runs `work`, and tells a panic from its value.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> End<T> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Ready(value)) => Poll::Ready(End::Done(value)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(End::Panicked),
    })
    .await
}

struct Landing<T, L: FnOnce(End<T>)> {
    land: Option<L>,
    of: PhantomData<fn(T)>,
}

impl<T, L: FnOnce(End<T>)> Landing<T, L> {
    fn land(&mut self, end: End<T>) {
        if let Some(land) = self.land.take() {
            land(end);
        }
    }
}

impl<T, L: FnOnce(End<T>)> Drop for Landing<T, L> {
    fn drop(&mut self) {
        self.land(End::Lost);
    }
}
