//! The thread that has the file: writing never waits for a lock, and no request waits for writing.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::rows::Horizon;
use super::store::Store;
use crate::change::LogError;

/// What the thread is asked to do.
struct Work {
    /// Whole lines; none forces out what was written.
    lines: Vec<u8>,
    horizon: Option<Horizon>,
    done: oneshot::Sender<Result<(), LogError>>,
}

/// The thread that writes. It ends with this.
pub(super) struct Writer {
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(store: Store) -> std::io::Result<Self> {
        let (work, receiver) = channel();
        let thread =
            std::thread::Builder::new().name("orgate-changes".to_owned()).spawn(move || run(store, &receiver))?;
        Ok(Self { work: Some(work), thread: Some(thread) })
    }

    /// Writes lines, and waits until they are kept.
    pub(super) async fn write(&self, lines: Vec<u8>, horizon: Option<Horizon>) -> Result<(), LogError> {
        let (done, outcome) = oneshot::channel();
        let ended = || LogError::new("the thread that writes the file has ended");
        self.work.as_ref().ok_or_else(ended)?.send(Work { lines, horizon, done }).map_err(|_| ended())?;
        outcome.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl Drop for Writer {
    /// Waits for what is being written: the next one who opens the file finds it closed.
    fn drop(&mut self) {
        self.work.take();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn run(mut store: Store, receiver: &Receiver<Work>) {
    for Work { lines, horizon, done } in receiver {
        let outcome = if lines.is_empty() { store.sync() } else { store.append(&lines) };
        // Whoever asked may wait no longer.
        _ = done.send(outcome.map_err(LogError::new));
        if let Some(Err(error)) = horizon.map(|horizon| store.compact(horizon)) {
            tracing::warn!(target: "orgate", %error, "the file of changes was not rewritten: it keeps growing");
        }
    }
    if let Err(error) = store.sync() {
        tracing::error!(target: "orgate", %error, "the file of changes was not flushed to the disk");
    }
}
