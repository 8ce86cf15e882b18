use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much of a value a fault repeats.
const SHOWN: usize = 120;

/// The text of a configuration file, and where it came from.
#[derive(Clone)]
pub(crate) struct Source {
    path: Arc<Path>,
    text: Arc<str>,
    /// What references stand for, and how they are written.
    hidden: Vec<(String, String)>,
}

/// What is wrong with a configuration, and where.
///
/// It repeats the value as it was written, never what a `${…}` in it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    file: PathBuf,
    /// Line and column, from one; absent for a fault of the file as a whole.
    place: Option<(usize, usize)>,
    message: String,
    written: Option<String>,
}

impl Source {
    pub(crate) fn new(path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into().into(), text: text.into(), hidden: Vec::new() }
    }

    /// Has every later fault show the reference in place of its value.
    pub(super) fn hide(&mut self, value: &str, reference: &str) {
        for value in [value.to_owned(), value.escape_debug().to_string()] {
            if !value.is_empty() {
                self.hidden.push((value, reference.to_owned()));
            }
        }
        // Of two values that overlap the longer one is hidden whole.
        self.hidden.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that relative paths in the file start from.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new(""))
    }

    /// Returns a fault of the whole file.
    pub(crate) fn fault(&self, message: impl Into<String>) -> Fault {
        let hide = |message: String, (value, reference): &(String, String)| message.replace(value, reference);
        let message = self.hidden.iter().fold(message.into(), hide);
        Fault { file: self.path.to_path_buf(), place: None, message, written: None }
    }

    /// Returns a fault at a place, without repeating what stands there.
    pub(crate) fn fault_at(&self, span: &Range<usize>, message: impl Into<String>) -> Fault {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Fault { place: Some((line, column)), ..self.fault(message) }
    }

    /// Returns a fault of the value at a place, which is repeated as it was written.
    pub(crate) fn fault_of(&self, span: &Range<usize>, message: impl Into<String>) -> Fault {
        let written = self.text.get(span.clone()).map(|written| {
            let line = written.lines().next().unwrap_or_default();
            let mut shown: String = line.chars().take(SHOWN).collect();
            if shown.len() < written.trim_end().len() {
                shown.push('…');
            }
            shown
        });
        Fault { written, ..self.fault_at(span, message) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.written {
            Some(written) => write!(f, ": {written}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}
