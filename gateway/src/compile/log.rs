use std::fs::OpenOptions;

use orgate::observe::{JsonLines, SubjectForm};

use crate::config::{Fault, File, Loaded, Source};
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

/// Checks the settings of the log of decisions, and opens it if it is to be written.
pub(super) fn decisions(source: &Source, file: &File, opens: bool) -> Result<Option<JsonLines>, Fault> {
    let log = &file.log;
    let Some(to) = &log.decisions else { return Ok(None) };
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
    if !opens {
        return Ok(None);
    }
    let builder = JsonLines::builder().subject(form);
    if to.as_str() == "stdout" {
        return Ok(Some(builder.stdout()));
    }
    let path = source.folder().join(to.as_str());
    let opened = OpenOptions::new().append(true).create(true).open(&path);
    let opened =
        opened.map_err(|error| source.fault_of(to.span(), format!("cannot open {}: {error}", path.display())))?;
    Ok(Some(builder.writer(opened)))
}
