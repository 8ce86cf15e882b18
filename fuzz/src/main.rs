//! Fuzz targets: each reads what somebody else wrote, and compares the outcome with another reading of the same bytes.
//!
//! One binary holds all of them; `ORGATE_FUZZ` names the one that runs. `fuzz/run` builds and drives it.
#![no_main]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a finding is a panic")]

mod canned;
mod challenges;
mod json;
mod targets;
mod world;

// The gateway is a program: the files under test are compiled into this one.
#[path = "../../gateway/src/config/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the gateway uses the rest")]
mod config;
#[path = "../../gateway/src/path/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the gateway uses the rest")]
mod path;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

use targets::{TARGETS, Target};

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn choose() -> Target {
    let name = std::env::var("ORGATE_FUZZ").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let Some((_, target)) = found else {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("ORGATE_FUZZ={name:?}: expected one of {}", names.join(" "));
        std::process::exit(2);
    };
    *target
}

fuzz_target!(init: { CHOSEN.get_or_init(choose); }, |data: &[u8]| CHOSEN.get_or_init(choose)(data));
