use std::fmt;
use std::ops::{Deref, Range};

use serde::{Deserialize, Deserializer};
use serde_spanned::Spanned;

/// A string of the file: its value after `${…}` was replaced, and where it was written.
#[derive(Clone)]
pub(crate) struct Text {
    value: String,
    span: Range<usize>,
}

/// A string that a fault does not repeat either.
#[derive(Clone)]
pub(crate) struct Secret(Text);

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        &self.value
    }

    pub(crate) const fn span(&self) -> &Range<usize> {
        &self.span
    }
}

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0.value
    }

    pub(crate) const fn span(&self) -> &Range<usize> {
        &self.0.span
    }
}

/// Where a value stands is not part of it.
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.value
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { span: spanned.span(), value: spanned.into_inner() })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(Self)
    }
}

/// The value may hold a secret.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text at {}", self.span.start)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
