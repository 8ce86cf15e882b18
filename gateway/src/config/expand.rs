//! `${NAME}` and `${file:PATH}` inside string values.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The largest file that a `${file:…}` reads.
const LARGEST: u64 = 1 << 20;

/// Where variables and files come from.
pub(crate) trait Surroundings {
    fn variable(&self, name: &str) -> Option<String>;
    fn file(&self, path: &Path) -> io::Result<String>;
}

/// The environment and the file system of this process.
pub(crate) struct Process;

impl Surroundings for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LARGEST {
            return Err(io::Error::other("larger than 1 MiB"));
        }
        Ok(text)
    }
}

/// What following references brought with it.
#[derive(Default)]
pub(crate) struct Followed {
    /// The files that were read.
    pub(crate) files: Vec<PathBuf>,
    /// Each value, and the reference to it.
    pub(crate) values: Vec<(String, String)>,
}

/// Replaces each reference once: what it stands for is not looked at again. `$${` is a literal `${`.
///
/// A file's last line break is not part of its value, and a relative path starts from `folder`.
///
/// # Errors
///
/// Returns a message that names the reference and never a value.
pub(crate) fn expand(
    written: &str,
    folder: &Path,
    from: &impl Surroundings,
    followed: &mut Followed,
) -> Result<String, String> {
    let mut value = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        let reference = reference.get(2..).unwrap_or_default();
        if let Some(before) = before.strip_suffix('$') {
            value.push_str(before);
            value.push_str("${");
            rest = reference;
            continue;
        }
        value.push_str(before);
        let (name, after) = reference.split_once('}').ok_or("`${` without `}`; a literal `${` is written `$${`")?;
        let found = look_up(name, folder, from, &mut followed.files)?;
        value.push_str(&found);
        followed.values.push((found, format!("${{{name}}}")));
        rest = after;
    }
    value.push_str(rest);
    Ok(value)
}

fn look_up(name: &str, folder: &Path, from: &impl Surroundings, files: &mut Vec<PathBuf>) -> Result<String, String> {
    if let Some(path) = name.strip_prefix("file:") {
        let path = folder.join(path);
        let text = from.file(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        files.push(path);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(text.strip_suffix('\r').unwrap_or(text).to_owned());
    }
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if !starts || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Err("expected `${NAME}` or `${file:PATH}`; a literal `${` is written `$${`".to_owned());
    }
    from.variable(name).ok_or_else(|| format!("the environment variable {name} is not set, or is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Surroundings for Fixed {
        fn variable(&self, name: &str) -> Option<String> {
            match name {
                "KEY" => Some("${OTHER}".to_owned()),
                "OTHER" => Some("other".to_owned()),
                _ => None,
            }
        }

        fn file(&self, path: &Path) -> io::Result<String> {
            match path.to_str() {
                Some("/etc/orgate/secret") => Ok("hush\r\n".to_owned()),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }

    fn expanded(written: &str) -> Result<String, String> {
        expand(written, Path::new("/etc/orgate"), &Fixed, &mut Followed::default())
    }

    #[test]
    fn references_are_replaced_once() {
        assert_eq!(expanded("a ${OTHER}-${KEY} b").as_deref(), Ok("a other-${OTHER} b"));
        assert_eq!(expanded("$${OTHER} $5 {org} $").as_deref(), Ok("${OTHER} $5 {org} $"));
    }

    #[test]
    fn file_is_read_from_the_folder_without_its_last_line_break() {
        let mut followed = Followed::default();
        let value = expand("x${file:secret}", Path::new("/etc/orgate"), &Fixed, &mut followed);
        assert_eq!(value.as_deref(), Ok("xhush"));
        assert_eq!(followed.files, [PathBuf::from("/etc/orgate/secret")]);
        assert_eq!(followed.values, [("hush".to_owned(), "${file:secret}".to_owned())]);
    }

    #[test]
    fn missing_and_malformed_references_are_errors() {
        for (written, part) in [
            ("${NONE}", "NONE is not set"),
            ("${file:gone}", "/etc/orgate/gone"),
            ("${KEY", "without `}`"),
            ("${}", "expected"),
            ("${1A}", "expected"),
            ("${A B}", "expected"),
        ] {
            let message = expanded(written).unwrap_err();
            assert!(message.contains(part), "{written}: {message}");
        }
    }
}
