use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_spanned::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::expand::{Followed, Process, Surroundings, expand};
use super::{Fault, File, Source};

/// A file that was read, before anything is made of it.
pub(crate) struct Loaded {
    pub(crate) source: Source,
    pub(crate) file: File,
    /// The file itself and all that it refers to.
    pub(crate) read: Vec<PathBuf>,
}

/// Reads a configuration file and what it refers to.
///
/// # Errors
///
/// Returns the first fault: unreadable, no TOML, an unknown key, a value of another type, a missing reference.
pub(crate) fn load(path: &Path) -> Result<Loaded, Fault> {
    let text = fs::read_to_string(path)
        .map_err(|error| Source::new(path, "").fault(format!("cannot read the configuration: {error}")))?;
    parse(Source::new(path, text), &Process)
}

pub(crate) fn parse(mut source: Source, from: &impl Surroundings) -> Result<Loaded, Fault> {
    // First as written: whatever this finds can be repeated, and references are followed in a sound file only.
    read_tables(&source, document(&source)?)?;
    let mut document = document(&source)?;
    let mut references = References { source: &source, from, followed: Followed::default() };
    references.expand_table(document.get_mut())?;
    let Followed { files, values } = references.followed;
    let file = read_tables(&source, document)?;
    for (value, reference) in &values {
        source.hide(value, reference);
    }
    let read = std::iter::once(source.path().to_path_buf()).chain(files).collect();
    Ok(Loaded { source, file, read })
}

fn document(source: &Source) -> Result<Spanned<DeTable<'_>>, Fault> {
    DeTable::parse(source.text()).map_err(|error| fault(source, &error))
}

fn read_tables(source: &Source, document: Spanned<DeTable<'_>>) -> Result<File, Fault> {
    File::deserialize(Deserializer::from(document)).map_err(|error| fault(source, &error))
}

fn fault(source: &Source, error: &toml::de::Error) -> Fault {
    match error.span() {
        Some(span) => source.fault_at(&span, error.message()),
        None => source.fault(error.message()),
    }
}

struct References<'a, S> {
    source: &'a Source,
    from: &'a S,
    followed: Followed,
}

impl<S: Surroundings> References<'_, S> {
    fn expand_table(&mut self, table: &mut DeTable<'_>) -> Result<(), Fault> {
        table.iter_mut().try_for_each(|(_, value)| self.expand_value(value))
    }

    fn expand_array(&mut self, array: &mut DeArray<'_>) -> Result<(), Fault> {
        array.iter_mut().try_for_each(|value| self.expand_value(value))
    }

    /// The parser bounds how deep values lie.
    fn expand_value(&mut self, value: &mut Spanned<DeValue<'_>>) -> Result<(), Fault> {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(text) if text.contains("${") => {
                let expanded = expand(text, self.source.folder(), self.from, &mut self.followed)
                    .map_err(|message| self.source.fault_of(&span, message))?;
                *text = expanded.into();
                Ok(())
            }
            DeValue::Table(table) => self.expand_table(table),
            DeValue::Array(array) => self.expand_array(array),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
