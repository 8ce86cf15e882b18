//! What is wrong with a configuration, said at startup.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// An invalid configuration: the problem, and the offending value.
///
/// It is found by `build()`, `require(..)` or `into_router()`, never while requests are served. The type is opaque so
/// that a message can become better without a breaking change; its [`Display`](fmt::Display) form is made to be read
/// by the person who wrote the configuration.
///
/// It has a [`source`](Error::source) only where another error of this crate is its cause: the settings of an issuer entry that
/// was removed cannot be updated, and the source says so.
#[derive(Clone)]
pub struct ConfigError {
    message: Arc<str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ConfigError {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string().into(), source: None }
    }

    pub(crate) fn caused_by(cause: impl Error + Send + Sync + 'static) -> Self {
        let message = format_args!("nothing was changed: {cause}").to_string();
        Self { source: Some(Arc::new(cause)), ..Self::new(message) }
    }

    /// The same error, with the place where it was found in front.
    pub(crate) fn at(&self, place: impl fmt::Display) -> Self {
        Self { source: self.source.clone(), ..Self::new(format_args!("{place}: {self}")) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `main` that returns the error prints this form.
        f.write_str(&self.message)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// An error and its causes, in one line.
pub(crate) fn with_causes(f: &mut fmt::Formatter<'_>, error: &(dyn Error + 'static)) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_error_that_main_returns_reads_like_a_sentence() {
        let error = ConfigError::new("realm \"a\\nb\": not printable").at("GET /orders");
        assert_eq!(error.to_string(), "GET /orders: realm \"a\\nb\": not printable");
        assert_eq!(format!("{error:?}"), error.to_string());
        assert_eq!(format!("{error:#?}"), error.to_string());
    }
}
