//! The task that appends what waits in a journal: one at a time, as long as something waits.

use std::sync::{Arc, Weak};

use super::driver;
use super::journal::{Journal, Known};

/// A writer at work. If its runtime ends before it is done, another one goes on in its place.
struct Writing {
    journal: Option<Arc<Journal>>,
    server: Weak<dyn Known>,
    /// On a thread of its own. What ends that is no runtime of the application, and happens again.
    is_apart: bool,
}

/// Starts the writer: on the runtime of the caller, or where there is none, on a thread of its own.
pub(super) fn start(journal: &Arc<Journal>, server: Weak<dyn Known>) {
    let runtime = tokio::runtime::Handle::try_current();
    let writing = Writing { journal: Some(journal.clone()), server, is_apart: runtime.is_err() };
    match runtime {
        Ok(runtime) => _ = runtime.spawn(Box::pin(writing.run())),
        Err(_) => writing.run_apart(),
    }
}

impl Writing {
    async fn run(mut self) {
        if let Some(journal) = &self.journal {
            journal.write(&self.server).await;
        }
        self.journal = None;
    }

    fn run_apart(self) {
        if let Err(error) = driver::run_apart(Box::pin(self.run())) {
            tracing::error!(target: "orgate", %error, "changes are not kept yet: no thread could be started");
        }
    }
}

impl Drop for Writing {
    /// Not where this is dropped: the runtime that ends may still be the current one.
    fn drop(&mut self) {
        let Some(journal) = self.journal.take() else { return };
        if journal.stop_writing(self.is_apart) {
            Self { journal: Some(journal), server: self.server.clone(), is_apart: true }.run_apart();
        }
    }
}
