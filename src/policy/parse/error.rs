use std::fmt;

use crate::error::ConfigError;

/// A text that is not a policy: where, what was expected, and what was found.
#[derive(Clone, PartialEq, Eq)]
pub struct ParseError {
    column: usize,
    message: Box<str>,
}

impl ParseError {
    pub(super) fn new(column: usize, message: impl fmt::Display) -> Self {
        Self { column, message: message.to_string().into() }
    }

    /// Returns where the fault is: the number of its character, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParseError({self})")
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for ConfigError {
    fn from(error: ParseError) -> Self {
        Self::new(format_args!("policy: {error}"))
    }
}
