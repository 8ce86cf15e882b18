//! What drives the task that follows a log.

use std::io;
use std::thread;

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::task::AbortHandle;

use crate::future::BoxFuture;

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
                thread::Builder::new().name("orgate-change-log".to_owned()).spawn(move || {
                    // The task says itself how it ended.
                    _ = runtime.block_on(task);
                })?;
                Ok(abort)
            }
        }
    }
}
