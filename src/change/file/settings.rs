//! Where the file is, and how safely it is written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::ConfigError;

/// When written data is flushed to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileSync {
    /// Before a batch counts as kept: a power failure loses nothing that was reported as kept.
    #[default]
    EachBatch,
    /// In this interval: a power failure loses what was kept since. A process that ends loses nothing.
    Every(Duration),
    /// When the operating system does. A process that ends loses nothing.
    Never,
}

impl FileSync {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EachBatch => "each_batch",
            Self::Every(_) => "every",
            Self::Never => "never",
        }
    }
}

/// The settings of a [`FileLog`](super::FileLog). A path alone is enough.
///
/// ```
/// use std::time::Duration;
/// use orgate::change::{FileSettings, FileSync};
///
/// let settings = FileSettings::new("/var/lib/shop/changes").sync(FileSync::Every(Duration::from_millis(100)));
/// # _ = settings;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct FileSettings {
    pub(super) path: PathBuf,
    pub(super) sync: FileSync,
}

/// The shortest and the longest interval of [`FileSync::Every`].
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);

impl FileSettings {
    /// Keeps changes in the file at `path`. Its directory must exist. Beside it are made: `PATH.lock`, `PATH.new` while the
    /// file is rewritten, and `PATH.damaged` if lines in its middle could not be read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), sync: FileSync::default() }
    }

    /// Sets when what was written is forced to the disk. Default: [`FileSync::EachBatch`]; an interval is 10 ms to one
    /// minute.
    pub fn sync(mut self, sync: FileSync) -> Self {
        self.sync = sync;
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.path.file_name().is_none() {
            return Err(ConfigError::new(format_args!(
                "change_file {}: expected the path of a file",
                self.path.display()
            )));
        }
        match self.sync {
            FileSync::Every(interval) if !INTERVALS.contains(&interval) => Err(ConfigError::new(format_args!(
                "change_file {}: sync every {interval:?}: 10 ms to 60 s",
                self.path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// The path with another ending, beside the file.
    pub(super) fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(ending);
        path.into()
    }
}

impl From<&str> for FileSettings {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl From<String> for FileSettings {
    fn from(path: String) -> Self {
        Self::new(path)
    }
}

impl From<&Path> for FileSettings {
    fn from(path: &Path) -> Self {
        Self::new(path)
    }
}

impl From<PathBuf> for FileSettings {
    fn from(path: PathBuf) -> Self {
        Self::new(path)
    }
}
