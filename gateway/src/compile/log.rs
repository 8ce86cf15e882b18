use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::PathBuf;

use orgate::observe::{JsonLines, JsonLinesBuilder, LogCounts, SubjectForm};

use crate::config::{Fault, Loaded, Log, Source, Text};
use crate::log::LogFormat;

/// Reads how log lines look, which is needed before anything else.
///
/// # Errors
///
/// Returns a fault if the word is unknown.
pub(crate) fn log_format(loaded: &Loaded) -> Result<LogFormat, Fault> {
    match &loaded.file.log.format {
        Some(text) => loaded.source.word(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        None => Ok(LogFormat::Text),
    }
}

#[derive(Clone, Copy)]
enum Form {
    None,
    Hash,
    Plain,
}

/// Where decisions are logged, before anything is opened.
pub(super) struct LogSettings {
    to: Option<Text>,
    form: SubjectForm,
}

/// A log that is open. If nothing comes of it, a file that was made for it is removed.
pub(super) struct OpenLog {
    builder: Option<JsonLinesBuilder>,
    file: Option<fs::File>,
    created: Option<PathBuf>,
}

/// Checks the settings of the log of decisions.
pub(super) fn settings(source: &Source, log: &Log) -> Result<LogSettings, Fault> {
    let Some(to) = &log.decisions else { return Ok(LogSettings { to: None, form: SubjectForm::none() }) };
    let form = match &log.subject {
        Some(text) => source.word(text, &[("none", Form::None), ("hash", Form::Hash), ("plain", Form::Plain)])?,
        None => Form::None,
    };
    let form = match (form, &log.subject_key) {
        (Form::None, _) => SubjectForm::none(),
        (Form::Plain, _) => SubjectForm::plain(),
        (Form::Hash, Some(key)) => {
            SubjectForm::keyed_hash(key.expose()).map_err(|error| source.fault_at(key.span(), error.to_string()))?
        }
        (Form::Hash, None) => return Err(source.fault_of(to.span(), "`subject = \"hash\"` needs a `subject_key`")),
    };
    Ok(LogSettings { to: Some(to.clone()), form })
}

impl LogSettings {
    pub(super) fn open(self, source: &Source) -> Result<OpenLog, Fault> {
        let Some(to) = self.to else { return Ok(OpenLog { builder: None, file: None, created: None }) };
        let builder = Some(JsonLines::builder().subject(self.form));
        if to.as_str() == "stdout" {
            return Ok(OpenLog { builder, file: None, created: None });
        }
        let path = source.folder().join(to.as_str());
        let existing = OpenOptions::new().append(true).open(&path);
        let opened = match existing {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                OpenOptions::new().append(true).create(true).open(&path).map(|file| (file, Some(path.clone())))
            }
            opened => opened.map(|file| (file, None)),
        };
        let (file, created) =
            opened.map_err(|error| source.fault_of(to.span(), format!("cannot open {}: {error}", path.display())))?;
        Ok(OpenLog { builder, file: Some(file), created })
    }
}

impl OpenLog {
    pub(super) fn keep(mut self, counts: &LogCounts) -> Option<JsonLines> {
        self.created = None;
        let (builder, file) = (self.builder.take()?.counts(counts), self.file.take());
        Some(match file {
            Some(file) => builder.writer(file),
            None => builder.stdout(),
        })
    }
}

impl Drop for OpenLog {
    fn drop(&mut self) {
        if let Some(created) = &self.created {
            // What somebody else wrote into it meanwhile stays.
            let is_empty = fs::metadata(created).is_ok_and(|found| found.len() == 0);
            if is_empty && let Err(error) = fs::remove_file(created) {
                tracing::warn!(target: "orgate", %error, "an empty log of decisions stays");
            }
        }
    }
}
