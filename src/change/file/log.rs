//! The log in a file.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::line::{self, MAX_LINE};
use super::rows::{Horizon, Rows};
use super::settings::FileSettings;
use super::store::Store;
use super::thread::Writer;
use super::updates::FileUpdates;
use crate::change::row::key_text;
use crate::change::{Change, Facts, Log, LogError, Staleness, Updates};
use crate::error::ConfigError;
use crate::future::BoxFuture;
use crate::lock::lock;

/// What a webhook may wait until its changes are kept.
const DELIVERY_WAIT: Duration = Duration::from_millis(500);
/// Suspensions of a log that was not open for longer are not believed: their end may have been missed.
const BELIEVED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A log in one file, for one process that must not forget revocations and suspensions at a restart.
///
/// Usually made by [`Builder::change_file`](crate::server::Builder::change_file), which takes a path. The file is appended
/// to and rewritten from time to time; each line has a checksum. A last line that was not finished is cut off and reported,
/// lines in the middle that cannot be read are left out and reported, and the file as it was is kept beside as
/// `PATH.damaged`. Only the user whom the process runs as may read the file, which holds ids and moments.
///
/// If the file cannot be written, because the disk is full for instance, changes still apply in this process and are written
/// as soon as that is possible. Meanwhile [`change_log`](crate::ResourceServer::change_log) shows the error, the log reports
/// it at each attempt, and webhooks are answered with 503.
///
/// Suspensions that are read at startup are [confirmed](crate::permissions::PermissionSource::is_suspended) by the entry's
/// permission source if it can tell, those of an issuer that is added at run time once it is added. Those of a file that was not open for 30 days are left out, since their end may have been
/// missed.
///
/// ```no_run
/// use orgate::ResourceServer;
/// use orgate::change::FileLog;
///
/// let log = FileLog::open("/var/lib/shop/changes")?;
/// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
///     .change_log(log)
///     .build()?;
/// # _ = server;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
pub struct FileLog {
    settings: FileSettings,
    writer: Arc<Writer>,
    loaded: Arc<Mutex<Option<Rows>>>,
    opened: Option<u64>,
    held: Mutex<Option<Arc<dyn Facts>>>,
}

impl FileLog {
    /// Opens the file, or makes it, and repairs it if that is necessary. Reads it to its end.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] with the path if another process has it open, if it is another kind of file, or if it
    /// cannot be read and written.
    pub fn open(settings: impl Into<FileSettings>) -> Result<Self, ConfigError> {
        let settings = settings.into();
        settings.check()?;
        let path = settings.path.clone();
        let faulty = |error| ConfigError::new(format_args!("change_file {}: {error}", path.display()));
        let (store, reading) = Store::open(settings.clone()).map_err(faulty)?;
        if reading.damaged > 0 {
            let lines = reading.damaged;
            tracing::error!(target: "orgate", path = %path.display(), lines, "lines in the file of changes could not be read");
        }
        if reading.tail > 0 {
            let bytes = reading.tail;
            tracing::warn!(target: "orgate", path = %path.display(), bytes, "an unfinished end of the file of changes was cut off");
        }
        Ok(Self {
            writer: Arc::new(Writer::start(store).map_err(faulty)?),
            loaded: Arc::new(Mutex::new(Some(reading.rows))),
            opened: reading.opened,
            settings,
            held: Mutex::new(None),
        })
    }

    /// Returns where the file is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.settings.path.clone()
    }

    fn lines(&self, changes: &[Change]) -> Vec<u8> {
        let mut lines = String::new();
        for fact in changes.iter().filter_map(Change::fact) {
            let key = key_text(fact.issuer(), fact.key());
            if key.len() + 64 > MAX_LINE {
                tracing::error!(target: "orgate", path = %self.settings.path.display(), bytes = key.len(), "a fact is too long to be kept");
                continue;
            }
            line::write(&mut lines, fact.rank().into(), &key);
        }
        lines.into_bytes()
    }
}

impl Log for FileLog {
    /// Only facts are kept: what was cached is gone after a restart anyway.
    fn append<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
        let lines = self.lines(changes);
        Box::pin(async move {
            if lines.is_empty() {
                return Ok(());
            }
            let held = lock(&self.held).clone();
            self.writer.write(lines, held.map(|held| Horizon::of(&*held))).await
        })
    }

    fn follow(&self, held: Arc<dyn Facts>) -> Box<dyn Updates> {
        *lock(&self.held) = Some(held.clone());
        let rows = lock(&self.loaded).take().map(|mut rows| {
            let horizon = Horizon::of(&*held);
            rows.let_go(horizon);
            let opened = self.opened.map(Duration::from_millis);
            if opened.is_some_and(|opened| opened.saturating_add(BELIEVED_FOR) < horizon.now) {
                let suspensions = rows.let_go_of_suspensions();
                if suspensions > 0 {
                    tracing::error!(target: "orgate", path = %self.settings.path.display(), suspensions, "the file of changes was not open for 30 days: its suspensions are ignored");
                }
            }
            rows.0.into_iter()
        });
        let (writer, loaded) = (self.writer.clone(), self.loaded.clone());
        Box::new(FileUpdates { held, writer, loaded, rows, is_told: false, noted: None, sync: self.settings.sync })
    }

    /// Requests are rejected until the file was taken in, which happens before the first one is judged.
    fn staleness(&self) -> Option<Staleness> {
        Some(Staleness::refuse_after(Duration::MAX))
    }

    fn delivery_wait(&self) -> Option<Duration> {
        Some(DELIVERY_WAIT)
    }

    fn must_be_confirmed(&self) -> bool {
        true
    }
}

impl fmt::Debug for FileLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileLog").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
