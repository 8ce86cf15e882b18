//! Why there is no decision.

use std::fmt;
use std::time::Duration;

/// An error of a decision point: there is no decision. It is never a denial: the caller must not go on, and responds
/// with 503.
///
/// Two kinds are told apart. A point may be *unavailable*: down, slow, busy; asked again, it may answer. Or what it was
/// asked or what it answered is *wrong*: a rejected credential, a body that is no decision; asked again, it says the same.
/// A limit of this process counts as *wrong*, too, since a caller could cause it.
/// A route that is told to let requests pass while a point is unavailable must not let them pass for the second kind.
///
/// [`Display`](fmt::Display) is for the log, never for an answer.
///
/// ```
/// use std::time::Duration;
/// use orgate::decision::DecisionError;
///
/// let busy = DecisionError::unavailable("429 Too Many Requests").with_retry_after(Duration::from_secs(2));
/// assert!(busy.is_unavailable());
/// assert!(!DecisionError::wrong("the credential was rejected").is_unavailable());
/// ```
#[derive(Clone, Debug)]
pub struct DecisionError {
    detail: Box<str>,
    unavailable: bool,
    retry_after: Option<Duration>,
}

impl DecisionError {
    /// Creates an error for a point that could not be asked or did not respond.
    pub fn unavailable(detail: impl fmt::Display) -> Self {
        Self { detail: shortened(detail), unavailable: true, retry_after: None }
    }

    /// Creates an error for a request or a response that is wrong (a fault of the configuration, or of the point), or for a
    /// limit of this process, which a caller could reach on purpose.
    pub fn wrong(detail: impl fmt::Display) -> Self {
        Self { detail: shortened(detail), unavailable: false, retry_after: None }
    }

    /// Sets when a retry may help, if the point says so. Five minutes at most.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after.min(Duration::from_secs(300)));
        self
    }

    /// Returns whether the point could not be asked or did not respond, in contrast to a wrong response.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        self.unavailable
    }

    /// Returns when a retry may help, if that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for DecisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.unavailable { "no decision: " } else { "no decision, a fault: " })?;
        f.write_str(&self.detail)
    }
}

impl std::error::Error for DecisionError {}

/// What a point wrote, made fit for one line of a log.
pub(crate) fn shortened(text: impl fmt::Display) -> Box<str> {
    const MOST: usize = 256;
    let text = text.to_string();
    let mut short: String =
        text.chars().take(MOST).map(|character| if character.is_control() { ' ' } else { character }).collect();
    if text.chars().nth(MOST).is_some() {
        short.push_str(" ...");
    }
    short.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_and_not_long() {
        let error = DecisionError::wrong(format_args!("a\r\nb\u{1b}{}", "x".repeat(5000)));
        let text = error.to_string();
        assert!(text.len() < 300 && !text.contains(char::is_control) && text.ends_with(" ..."), "{text}");
        assert!(!error.is_unavailable());
    }

    #[test]
    fn a_wait_has_an_end() {
        let error = DecisionError::unavailable("down");
        assert_eq!((error.is_unavailable(), error.retry_after()), (true, None));
        let error = error.with_retry_after(Duration::from_secs(1_000_000));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(300)));
    }
}
