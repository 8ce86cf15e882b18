//! The gateway's configuration: a fault names a place in the file, and never what a reference stands for.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::{Source, Surroundings, parse, parse_duration};

const SECRET: &str = "s3cr3t-CANARY-value";

struct Fixed;

impl Surroundings for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        matches!(name, "S" | "SECRET").then(|| SECRET.to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        if path.ends_with("s") { Ok(format!("{SECRET}\n")) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains(SECRET) {
        return;
    }
    let lines = text.split('\n').count();
    match parse(Source::new(PathBuf::from("orgate.toml"), text), &Fixed) {
        Ok(loaded) => {
            assert!(!format!("{:?}", loaded.file).contains(SECRET), "a secret is shown");
            let faults = loaded.file.route.iter().map(|route| loaded.source.fault_of(route.path.span(), &*route.path));
            for fault in faults {
                assert!(!fault.to_string().contains(SECRET), "{fault}");
            }
            _ = loaded.file.api.leeway.as_ref().map(|text| parse_duration(text));
        }
        Err(fault) => {
            let shown = fault.to_string();
            assert!(!shown.contains(SECRET), "{shown}");
            assert!(shown.starts_with("orgate.toml"), "{shown}");
            let place =
                shown.strip_prefix("orgate.toml:").and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
            assert!(place.is_none_or(|line| line >= 1 && line <= lines), "{shown}");
        }
    }
}
