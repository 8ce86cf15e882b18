//! The thread that follows a log and appends to it, whatever becomes of the runtimes that judge requests.

use std::convert::Infallible;
use std::io;
use std::sync::{Mutex, mpsc::sync_channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::future::BoxFuture;
use crate::lock::lock;

const THREAD: &str = "orgate-change-log";

/// A runtime with a thread of its own. It starts when it is first needed, and ends once this is dropped and no task is left.
///
/// A runtime of the application may end, or stand still while it is kept.
#[derive(Default)]
pub(super) struct Driver(Mutex<Option<Running>>);

/// Starts tasks. The thread ends with the last one of these.
#[derive(Clone)]
pub(super) struct Running {
    runtime: Handle,
    alive: mpsc::Sender<Infallible>,
}

impl Driver {
    /// Starts the thread, unless it runs already.
    pub(super) fn running(&self) -> io::Result<Running> {
        let mut running = lock(&self.0);
        if let Some(running) = &*running {
            return Ok(running.clone());
        }
        let (give, take) = sync_channel(1);
        let (alive, mut end) = mpsc::channel(1);
        // The runtime is made and dropped there: an asynchronous caller must not drop one.
        let run = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(give.send(Err(error))),
            };
            _ = give.send(Ok(runtime.handle().clone()));
            _ = runtime.block_on(end.recv());
        };
        thread::Builder::new().name(THREAD.to_owned()).spawn(run)?;
        let runtime = take.recv().map_err(io::Error::other)??;
        Ok(running.insert(Running { runtime, alive }).clone())
    }

    /// Waits as long as the limit says, whether the caller has a runtime, whose timer it takes, or not. `None` if that was too
    /// short.
    pub(super) async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        waiting: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let waiting = async move { tokio::time::timeout(limit, waiting).await.ok() };
        if Handle::try_current().is_ok() {
            return waiting.await;
        }
        let (done, outcome) = oneshot::channel();
        // Whoever asked may wait no longer.
        let wait = async move { _ = done.send(waiting.await) };
        if let Err(error) = self.running().map(|driver| driver.spawn(Box::pin(wait))) {
            tracing::error!(target: "orgate", %error, "no thread could be started for the change log");
        }
        outcome.await.ok().flatten()
    }
}

impl Running {
    pub(super) const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Runs a task until it ends or is aborted.
    pub(super) fn spawn(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        let alive = self.alive.clone();
        let task = async move {
            task.await;
            drop(alive);
        };
        self.runtime.spawn(task).abort_handle()
    }
}
