use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::config::{Fault, Source, Text, parse_duration};

impl Source {
    /// Reads a value as another type.
    pub(super) fn read<T: FromStr>(&self, text: &Text) -> Result<T, Fault>
    where
        T::Err: Display,
    {
        text.parse().map_err(|error: T::Err| self.fault_of(text.span(), error.to_string()))
    }

    pub(super) fn duration(&self, text: &Text) -> Result<Duration, Fault> {
        parse_duration(text)
            .ok_or_else(|| self.fault_of(text.span(), "expected an integer and one of the units ms, s, m, h"))
    }

    /// Returns the duration, or a default where nothing was written.
    pub(super) fn duration_or(&self, text: Option<&Text>, default: Duration) -> Result<Duration, Fault> {
        text.map_or(Ok(default), |text| self.duration(text))
    }

    /// Returns the meaning of one of a few words.
    pub(super) fn word<T: Copy>(&self, text: &Text, words: &[(&str, T)]) -> Result<T, Fault> {
        let found = words.iter().find(|(word, _)| *word == text.as_str()).map(|(_, meaning)| *meaning);
        found.ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault_of(text.span(), format!("expected one of {}", words.join(", ")))
        })
    }
}
