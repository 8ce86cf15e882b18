//! What a server is told when it follows a file.

use std::collections::hash_map::IntoIter;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::line::{self, OPENED};
use super::rows::{Horizon, Rows};
use super::settings::FileSync;
use super::thread::Writer;
use crate::change::row::parse_fact;
use crate::change::{Facts, Update, Updates};
use crate::future::BoxFuture;
use crate::lock::lock;

/// How often it is noted that the log is open.
const NOTED_EVERY: Duration = Duration::from_secs(6 * 60 * 60);

const LOOKS_EVERY: Duration = Duration::from_secs(10);

/// The facts of the file, then that this is all.
pub(super) struct FileUpdates {
    pub(super) held: Arc<dyn Facts>,
    pub(super) writer: Arc<Writer>,
    /// Where they go back to if they are not all taken.
    pub(super) loaded: Arc<Mutex<Option<Rows>>>,
    pub(super) rows: Option<IntoIter<Box<str>, u64>>,
    /// Whether it has been said that this is all.
    pub(super) is_told: bool,
    /// When it was noted last that the log is open.
    pub(super) noted: Option<Duration>,
    pub(super) sync: FileSync,
}

impl Updates for FileUpdates {
    fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
        Box::pin(async move {
            if let Some(rows) = &mut self.rows {
                for (key, rank) in rows {
                    match parse_fact(&key, rank) {
                        Some(fact) => return Some(Update::Fact(fact)),
                        None => {
                            tracing::warn!(target: "orgate", %key, "a fact of an unknown kind in the file of changes");
                        }
                    }
                }
                self.rows = None;
            }
            if !std::mem::replace(&mut self.is_told, true) {
                return Some(Update::current(self.held.now().monotonic));
            }
            Some(self.attend().await)
        })
    }
}

impl FileUpdates {
    /// Nothing more arrives. What is to be done from time to time is done here.
    async fn attend(&mut self) -> Update {
        let now = self.held.now();
        if self.noted.is_none_or(|noted| now.monotonic >= noted + NOTED_EVERY) {
            let mut text = String::new();
            line::write(&mut text, u64::try_from(now.unix.as_millis()).unwrap_or(u64::MAX), OPENED);
            match self.writer.write(text.into_bytes(), Some(Horizon::of(&*self.held))).await {
                Ok(()) => self.noted = Some(now.monotonic),
                Err(error) => {
                    tracing::warn!(target: "orgate", %error, "the file of changes cannot be written");
                }
            }
        }
        tokio::time::sleep(self.pause()).await;
        if matches!(self.sync, FileSync::Every(_))
            && let Err(error) = self.writer.write(Vec::new(), Some(Horizon::of(&*self.held))).await
        {
            tracing::error!(target: "orgate", %error, "the file of changes was not flushed to the disk");
        }
        // This process is the only writer, so what is known here is what the file holds.
        Update::current(self.held.now().monotonic)
    }

    fn pause(&self) -> Duration {
        match self.sync {
            FileSync::Every(interval) => interval.min(LOOKS_EVERY),
            _ => LOOKS_EVERY,
        }
    }
}

impl Drop for FileUpdates {
    fn drop(&mut self) {
        if let Some(rows) = self.rows.take() {
            *lock(&self.loaded) = Some(Rows(rows.collect()));
        }
    }
}
