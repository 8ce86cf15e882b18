//! How fresh the permissions of a route must be.

use std::fmt;
use std::time::Duration;

use crate::error::ConfigError;
use crate::name::Span;

/// The longest time that a snapshot may serve.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a clause asks of live permissions: nothing, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Freshness {
    pub(super) now: bool,
    pub(super) max_age: Option<Duration>,
    pub(super) on_error: Option<OnError>,
}

/// What a clause does when the source gives no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OnError {
    Stale(Duration),
    TokenOnly,
}

impl Freshness {
    pub(super) fn tolerance(way: OnError) -> Self {
        Self { on_error: Some(way), ..Self::default() }
    }

    pub(super) const fn is_asked(&self) -> bool {
        self.now || self.max_age.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Both: the stricter of each.
    pub(super) fn and(self, other: Self) -> Self {
        let stricter = |one: Option<Duration>, two: Option<Duration>| one.into_iter().chain(two).min();
        let now = self.now || other.now;
        Self {
            now,
            max_age: stricter(self.max_age, other.max_age).filter(|_| !now),
            on_error: match (self.on_error, other.on_error) {
                // If one side asks and tolerates nothing, the result tolerates nothing.
                (None, Some(_)) | (Some(_), None) if self.is_asked() && other.is_asked() => None,
                (one, two) => one.into_iter().chain(two).min(),
            },
        }
    }

    /// A time that is out of bounds.
    pub(super) fn fault(&self) -> Option<ConfigError> {
        match (self.max_age, self.on_error) {
            (Some(age), _) if !(Duration::from_secs(1)..=MAX_AGE).contains(&age) => {
                Some(ConfigError::new(format_args!("fresh within {age:?}: not in 1s ..= {MAX_AGE:?}")))
            }
            (_, Some(OnError::Stale(age))) if age > MAX_AGE => {
                Some(ConfigError::new(format_args!("stale {age:?}: more than {MAX_AGE:?}")))
            }
            _ => None,
        }
    }

    /// A way out of an error that cannot happen is a misunderstanding.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.on_error {
            Some(way) if !self.is_asked() => {
                Err(ConfigError::new(format_args!("({self}): {way} needs `fresh within` or `live`")))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for OnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(age) => write!(f, "stale {}", Span(*age)),
            Self::TokenOnly => f.write_str("token only on error"),
        }
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.now, self.max_age) {
            (true, _) => f.write_str("live")?,
            (false, Some(age)) => write!(f, "fresh within {}", Span(age))?,
            (false, None) => f.write_str("freshness")?,
        }
        self.on_error.map_or(Ok(()), |way| write!(f, " [{way}]"))
    }
}
