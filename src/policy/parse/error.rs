use std::fmt;

use crate::error::ConfigError;

/// A fault may repeat a name, which may be as long as the text.
const MAX_MESSAGE: usize = 512;

/// An error in the text of a policy: the position, what was expected, and what was found.
#[derive(Clone, PartialEq, Eq)]
pub struct ParseError {
    column: usize,
    message: Box<str>,
}

impl ParseError {
    pub(super) fn new(column: usize, message: impl fmt::Display) -> Self {
        let mut message = message.to_string();
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.truncate(end);
            message.push_str(" ...");
        }
        Self { column, message: message.into() }
    }

    /// Returns the position of the fault: the number of its character, starting at 1.
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
