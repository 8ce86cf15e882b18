//! Why there is no audit.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::error::{ConfigError, with_causes};
use crate::name::stable_names;

/// An error of a directory: the tenant could not be read.
///
/// ```
/// use orgate::audit::DirectoryError;
///
/// let error = DirectoryError::new("the export is older than a week");
/// assert_eq!(error.to_string(), "the export is older than a week");
/// ```
#[derive(Clone, Debug)]
pub struct DirectoryError(Arc<dyn Error + Send + Sync>);

impl DirectoryError {
    /// Makes one of an error, or of a sentence.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl fmt::Display for DirectoryError {
    /// The error and its causes, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes(f, &*self.0)
    }
}

impl Error for DirectoryError {}

/// An error of an audit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuditError {
    /// The tenant could not be read.
    Directory(DirectoryError),
    /// The routes do not fit the server, or there is nothing of the name that was asked for.
    Config(ConfigError),
}

stable_names!(AuditError {
    Directory => "directory",
    Config => "config",
});

impl AuditError {
    pub(super) fn new(message: impl fmt::Display) -> Self {
        Self::Config(ConfigError::new(message))
    }
}

impl From<DirectoryError> for AuditError {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

impl From<ConfigError> for AuditError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(error) => write!(f, "the tenant cannot be read: {error}"),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl Error for AuditError {}
