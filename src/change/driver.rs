//! What drives the tasks of a log where the caller may have no runtime.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::future::BoxFuture;

const THREAD: &str = "orgate-change-log";

/// The runtime of the caller, or where there is none, one with a thread of its own: a log is followed whoever judges requests.
pub(super) enum Driver {
    Callers(Handle),
    Own(Runtime),
}

impl Driver {
    pub(super) fn find() -> io::Result<Self> {
        match Handle::try_current() {
            Ok(runtime) => Ok(Self::Callers(runtime)),
            Err(_) => Builder::new_current_thread().enable_all().build().map(Self::Own),
        }
    }

    pub(super) fn enter(&self) -> EnterGuard<'_> {
        match self {
            Self::Callers(runtime) => runtime.enter(),
            Self::Own(runtime) => runtime.enter(),
        }
    }

    /// Runs the task until it ends or is aborted.
    pub(super) fn drive(self, task: BoxFuture<'static, ()>) -> io::Result<AbortHandle> {
        match self {
            Self::Callers(runtime) => Ok(runtime.spawn(task).abort_handle()),
            Self::Own(runtime) => {
                let task = runtime.spawn(task);
                let abort = task.abort_handle();
                thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
                    // The task says itself how it ended.
                    _ = runtime.block_on(task);
                })?;
                Ok(abort)
            }
        }
    }
}

/// Runs a task to its end on a thread and a runtime of its own, wherever it is called: also while a runtime ends.
pub(super) fn run_apart(task: BoxFuture<'static, ()>) -> io::Result<()> {
    let run = move || match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(task),
        Err(error) => tracing::error!(target: "orgate", %error, "no runtime could be started for the change log"),
    };
    thread::Builder::new().name(THREAD.to_owned()).spawn(run).map(drop)
}

/// Waits as long as the limit says, whether the caller has a runtime, whose timer it takes, or not. `None` if that was too short.
pub(super) async fn within<T: Send + 'static>(
    limit: Duration,
    waiting: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let waiting = async move { tokio::time::timeout(limit, waiting).await.ok() };
    if Handle::try_current().is_ok() {
        return waiting.await;
    }
    let (done, outcome) = oneshot::channel();
    let started = run_apart(Box::pin(async move {
        // Whoever asked may wait no longer.
        _ = done.send(waiting.await);
    }));
    if let Err(error) = started {
        tracing::error!(target: "orgate", %error, "no thread could be started for the change log");
    }
    outcome.await.ok().flatten()
}
