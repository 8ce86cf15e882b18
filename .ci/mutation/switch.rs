//! Tells which mutant is switched on. `.ci/mutants` puts this file into its copy of the crate.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

use std::collections::BTreeSet;
use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

struct Switch {
    chosen: Option<usize>,
    /// Where the mutants that are reached are written.
    record: Option<PathBuf>,
}

static SWITCH: OnceLock<Switch> = OnceLock::new();
static REACHED: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

pub fn on(mutant: usize) -> bool {
    let switch = SWITCH.get_or_init(|| Switch {
        chosen: env::var("MUTANT").ok().and_then(|number| number.parse().ok()),
        record: env::var_os("MUTANTS_REACHED").map(PathBuf::from),
    });
    if let Some(path) = &switch.record
        && REACHED.lock().unwrap_or_else(|broken| broken.into_inner()).insert(mutant)
        && let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path)
    {
        let _ = file.write_all(format!("{mutant}\n").as_bytes());
    }
    switch.chosen == Some(mutant)
}
