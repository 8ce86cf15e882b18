//! The file on the disk: appended to, forced out, rewritten.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::line::{self, HEADER, OPENED};
use super::rows::{Horizon, Reading, Rows};
use super::settings::{FileSettings, FileSync};

/// The file is rewritten when it is so much larger than what it would be.
const WORTH_REWRITING: u64 = 1024 * 1024;

/// An open file, and what is known of its end. One thread has it.
pub(super) struct Store {
    settings: FileSettings,
    file: File,
    /// Held as long as this lives.
    _lock: File,
    /// Where the last whole line ends.
    end: u64,
    /// How long it was when it was rewritten last, or what it would be.
    least: u64,
    /// Something behind `end` is to be cut off.
    is_torn: bool,
    is_unsynced: bool,
    /// What was written could not be forced out. Trying again would say that it was: the system forgets what it could not write.
    is_doubtful: bool,
}

impl Store {
    /// Opens the file, or makes it, and repairs its end. What it says, and what was repaired.
    ///
    /// # Errors
    ///
    /// Returns an error if another process has it open, if it is another file, or if it cannot be read and written.
    pub(super) fn open(mut settings: FileSettings) -> io::Result<(Self, Reading)> {
        // By whatever name it is opened, it is one file, with one lock beside it.
        if settings.path.try_exists()? {
            settings.path = fs::canonicalize(&settings.path)?;
        }
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(settings.beside(".lock"))?;
        if lock.try_lock().is_err() {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process has it open"));
        }
        let path = settings.path.clone();
        if !path.try_exists()? {
            write_anew(&settings, &Rows::default(), None)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut reading = Reading::of(BufReader::new(&file))?;
        let mut store = Self {
            settings,
            file,
            _lock: lock,
            end: reading.end,
            least: 0,
            is_torn: false,
            is_unsynced: false,
            is_doubtful: false,
        };
        if reading.end == 0 {
            store.rewrite(&mut reading, None)?;
        } else if reading.damaged > 0 {
            fs::copy(&path, store.settings.beside(".damaged"))?;
            store.rewrite(&mut reading, None)?;
        } else if reading.tail > 0 {
            store.is_torn = true;
            store.mend()?;
            store.file.sync_data()?;
        }
        store.least = estimate(&reading.rows);
        Ok((store, reading))
    }

    /// Appends whole lines. After an error they count as not written.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.mend()?;
        self.is_torn = true;
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(lines)?;
        self.is_unsynced = true;
        if self.settings.sync == FileSync::EachBatch {
            self.sync()?;
        }
        self.is_torn = false;
        self.end += lines.len() as u64;
        Ok(())
    }

    /// Forces out what was written.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_unsynced) && self.settings.sync != FileSync::Never {
            self.file.sync_data().inspect_err(|_| self.is_doubtful = true)?;
        }
        Ok(())
    }

    /// Rewrites the file if that is worth it, or if what it holds may not be on the disk.
    pub(super) fn compact(&mut self, horizon: Horizon) -> io::Result<()> {
        let is_long = self.end >= self.least.saturating_mul(2).saturating_add(WORTH_REWRITING);
        if !is_long && !self.is_doubtful {
            return Ok(());
        }
        // Until it succeeds it is not tried again at every batch.
        self.least = self.end;
        self.mend()?;
        self.file.seek(SeekFrom::Start(0))?;
        let mut reading = Reading::of(BufReader::new(&self.file))?;
        if reading.damaged > 0 || reading.tail > 0 {
            // It was whole when it was opened.
            let (path, lines) = (&self.settings.path, reading.damaged + u64::from(reading.tail > 0));
            fs::copy(path, self.settings.beside(".damaged"))?;
            tracing::error!(target: "orgate", path = %path.display(), lines, "lines in the file of changes could not be read");
        }
        self.rewrite(&mut reading, Some(horizon))
    }

    fn rewrite(&mut self, reading: &mut Reading, horizon: Option<Horizon>) -> io::Result<()> {
        if let Some(horizon) = horizon {
            reading.rows.let_go(horizon);
        }
        self.file = write_anew(&self.settings, &reading.rows, reading.opened)?;
        self.end = self.file.seek(SeekFrom::End(0))?;
        self.least = self.end;
        (self.is_torn, self.is_unsynced, self.is_doubtful) = (false, false, false);
        Ok(())
    }

    /// Cuts off what an append left behind that failed, or did not end.
    fn mend(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.end)?;
            self.is_torn = false;
        }
        Ok(())
    }
}

/// How long a file of these rows is.
fn estimate(rows: &Rows) -> u64 {
    let rows: usize = rows.0.keys().map(|key| key.len() + 26).sum();
    (rows + HEADER.len()) as u64
}

/// Writes another file and puts it in place of the old one: whoever looks sees one of the two, whole.
fn write_anew(settings: &FileSettings, rows: &Rows, opened: Option<u64>) -> io::Result<File> {
    let new = settings.beside(".new");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&new)?;
    let written =
        write_all(&file, rows, opened).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, &settings.path));
    if let Err(error) = written {
        // It takes room, and there may be none. That it cannot be removed says nothing more.
        _ = fs::remove_file(&new);
        return Err(error);
    }
    sync_directory(&settings.path)?;
    Ok(file)
}

fn write_all(file: &File, rows: &Rows, opened: Option<u64>) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    file.write_all(HEADER.as_bytes())?;
    let mut text = String::new();
    for (rank, key) in opened.map(|at| (at, OPENED)).into_iter().chain(rows.0.iter().map(|(key, rank)| (*rank, &**key)))
    {
        text.clear();
        line::write(&mut text, rank, key);
        file.write_all(text.as_bytes())?;
    }
    file.flush()
}

/// So that a renamed file is there after a power failure.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
