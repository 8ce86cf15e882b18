//! How a user must have signed in for a request to pass.

use std::sync::Arc;
use std::time::Duration;

use crate::error::ConfigError;
use crate::scope::{is_scope_token, misread_in};

/// The most values that a challenge names, and the bytes of all of them.
const MOST_VALUES: usize = 16;
const MOST_BYTES: usize = 1024;
/// The longest time since a sign-in that can be required.
pub(crate) const LONGEST_AGE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The required sign-in of a user (RFC 9470 section 3): the authentication contexts, and the maximum age.
///
/// ```
/// use std::time::Duration;
/// use orgate::rejection::StepUp;
///
/// let step_up = StepUp::new(["urn:example:loa:3"], Some(Duration::from_secs(300)))?;
/// assert_eq!(step_up.acr_values().collect::<Vec<_>>(), ["urn:example:loa:3"]);
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepUp {
    acr: Option<AcrValues>,
    max_age: Option<Duration>,
}

impl StepUp {
    /// Creates a requirement from the accepted authentication contexts, in order of preference, and the maximum age of
    /// the sign-in.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if both are missing; if there are more than 16 values, or more than 1,024 bytes of them; if
    /// a value is empty or holds a character that cannot stand in a challenge (space, quote, backslash, or one that is not
    /// printable ASCII); if a value holds the name of a challenge parameter followed by `=` (`realm=`), which clients would
    /// read as that parameter; and if the time is not in whole seconds or longer than 365 days.
    pub fn new<S: AsRef<str>>(
        acr_values: impl IntoIterator<Item = S>,
        max_age: Option<Duration>,
    ) -> Result<Self, ConfigError> {
        let values: Vec<S> = acr_values.into_iter().collect();
        let acr = if values.is_empty() { None } else { Some(AcrValues::new(&values)?) };
        if let Some(age) = max_age.filter(|age| age.subsec_nanos() != 0 || *age > LONGEST_AGE) {
            return Err(ConfigError::new(format_args!(
                "{age:?}: the time since a sign-in is in whole seconds, and at most {LONGEST_AGE:?}"
            )));
        }
        if acr.is_none() && max_age.is_none() {
            return Err(ConfigError::new("a step-up that requires nothing"));
        }
        Ok(Self { acr, max_age })
    }

    /// From parts that were judged before; `None` if nothing is required.
    pub(crate) fn of(acr: Option<AcrValues>, max_age: Option<Duration>) -> Option<Self> {
        (acr.is_some() || max_age.is_some()).then_some(Self { acr, max_age })
    }

    /// Returns the authentication contexts of which one is needed, in order of preference. Empty if any will do.
    pub fn acr_values(&self) -> impl Iterator<Item = &str> {
        self.acr.iter().flat_map(AcrValues::iter)
    }

    /// Returns how long ago the user may have signed in, in whole seconds.
    #[must_use]
    pub const fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// This one, and what the other one requires beside it: its contexts where this one names none, and the shorter time.
    pub(crate) fn and(&self, other: Option<&Self>) -> Self {
        let of_other = |one: Option<Duration>| other.and_then(|other| other.max_age).into_iter().chain(one).min();
        Self {
            acr: self.acr.clone().or_else(|| other.and_then(|other| other.acr.clone())),
            max_age: of_other(self.max_age),
        }
    }
}

/// Authentication contexts of which one is needed, in order of preference: one or more, each once, and nothing that could
/// not stand between the quotes of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AcrValues(Arc<[Box<str>]>);

impl AcrValues {
    /// # Errors
    ///
    /// Returns what is wrong with them.
    pub(crate) fn new<S: AsRef<str>>(values: &[S]) -> Result<Self, ConfigError> {
        let mut known: Vec<Box<str>> = Vec::new();
        for value in values.iter().map(AsRef::as_ref) {
            if !is_scope_token(value) {
                return Err(ConfigError::new(format_args!(
                    "acr {value:?}: one or more characters of printable ASCII, no space, quote or backslash (RFC 9470 section 3); for several values use `acr any of`"
                )));
            }
            if let Some(name) = misread_in(value) {
                return Err(ConfigError::new(format_args!(
                    "acr {value:?} cannot stand in a challenge: clients would read `{name}=` in it as a parameter"
                )));
            }
            if !known.iter().any(|other| **other == *value) {
                known.push(value.into());
            }
        }
        let bytes = known.iter().map(|value| value.len()).sum::<usize>();
        if known.is_empty() {
            return Err(ConfigError::new("acr any of []: an empty list of values"));
        }
        if known.len() > MOST_VALUES || bytes > MOST_BYTES {
            return Err(ConfigError::new(format_args!(
                "any_acr: {} values of {bytes} bytes, and at most {MOST_VALUES} of {MOST_BYTES} bytes",
                known.len()
            )));
        }
        Ok(Self(known.into()))
    }

    /// Those that are among the others too, in the order of these; `None` if no one is.
    pub(crate) fn shared(&self, other: &Self) -> Option<Self> {
        let shared: Arc<[_]> = self.0.iter().filter(|value| other.contains(value)).cloned().collect();
        (!shared.is_empty()).then_some(Self(shared))
    }

    pub(crate) fn contains(&self, value: &str) -> bool {
        self.0.iter().any(|known| **known == *value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|value| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_up_that_cannot_stand_in_a_challenge_is_a_config_error() {
        for bad in ["", "a b", "a\"", "a\\", "a\n", "é", "urn:realm=", "Error=a"] {
            assert!(StepUp::new([bad], None).unwrap_err().to_string().contains(&format!("{bad:?}")), "{bad:?}");
        }
        let many: Vec<String> = (0..=MOST_VALUES).map(|number| number.to_string()).collect();
        assert!(StepUp::new(&many, None).unwrap_err().to_string().contains("17 values"));
        assert!(StepUp::new(many.iter().take(MOST_VALUES), None).is_ok());
        assert!(StepUp::new(["a".repeat(MOST_BYTES + 1)], None).unwrap_err().to_string().contains("1025 bytes"));
        assert!(StepUp::new([""; 0], None).is_err());
        assert!(StepUp::new([""; 0], Some(Duration::from_millis(1500))).unwrap_err().to_string().contains("1.5s"));
        assert!(StepUp::new([""; 0], Some(LONGEST_AGE + Duration::from_secs(1))).is_err());
        assert!(StepUp::new([""; 0], Some(Duration::ZERO)).is_ok() && StepUp::new([""; 0], Some(LONGEST_AGE)).is_ok());
    }

    #[test]
    fn values_are_kept_once_and_in_order() {
        let step_up = StepUp::new(["b", "a", "b"], None).unwrap();
        assert_eq!(step_up.acr_values().collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn both_are_the_contexts_of_the_first_and_the_shorter_time() {
        let of = |acr: &[&str], age: Option<u64>| StepUp::new(acr, age.map(Duration::from_secs)).unwrap();
        let (gold, silver) = (of(&["gold"], None), of(&["silver"], Some(60)));
        assert_eq!(gold.and(None), gold);
        assert_eq!(gold.and(Some(&silver)), of(&["gold"], Some(60)));
        assert_eq!(of(&[], Some(90)).and(Some(&silver)), of(&["silver"], Some(60)));
        assert_eq!(of(&[], Some(30)).and(Some(&silver)), of(&["silver"], Some(30)));
    }
}
