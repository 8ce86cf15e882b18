//! Why a source gave no answer.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::with_causes;

/// An error of a permission source. Its text goes to the log, never into a response.
///
/// ```
/// use std::time::Duration;
/// use orgate::permissions::SourceError;
///
/// let error = SourceError::new("status 429").retry_after(Duration::from_secs(5));
/// # _ = error;
/// ```
#[derive(Clone, Debug)]
pub struct SourceError {
    source: Arc<dyn Error + Send + Sync>,
    retry_after: Option<Duration>,
    is_ours: bool,
}

impl SourceError {
    /// Creates an error from another error, or from a sentence.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Arc::from(error.into()), retry_after: None, is_ours: false }
    }

    /// Sets when the source accepts the next query.
    #[must_use]
    pub fn retry_after(self, duration: Duration) -> Self {
        Self { retry_after: Some(duration), ..self }
    }

    /// States that the source was not asked: a limit of this process was reached, perhaps because of one caller, or the
    /// source cannot answer such a query.
    #[must_use]
    pub fn not_asked(self) -> Self {
        Self { is_ours: true, ..self }
    }

    pub(crate) const fn was_asked(&self) -> bool {
        !self.is_ours
    }

    pub(crate) fn wants_retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for SourceError {
    /// The error and its causes, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes(f, &*self.source)
    }
}

impl Error for SourceError {}
