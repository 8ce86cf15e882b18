//! The task that appends what waits in a journal: one at a time, as long as something waits.

use std::sync::{Arc, Weak};

use super::journal::{Journal, Known};

/// A writer at work. If it panics, the next change starts another one.
struct Writing(Option<Arc<Journal>>);

/// Starts the writer.
pub(super) fn start(journal: &Arc<Journal>, server: Weak<dyn Known>) {
    let writing = Writing(Some(journal.clone()));
    match journal.driver.running() {
        Ok(driver) => _ = driver.spawn(Box::pin(writing.run(server))),
        Err(error) => tracing::error!(target: "orgate", %error, "changes are not kept yet: no thread could be started"),
    }
}

impl Writing {
    async fn run(mut self, server: Weak<dyn Known>) {
        if let Some(journal) = &self.0 {
            journal.write(&server).await;
        }
        self.0 = None;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(journal) = self.0.take() {
            journal.stop_writing();
        }
    }
}
