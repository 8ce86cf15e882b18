//! A log in one file, for a process that must not forget at a restart.
//!
//! The file holds one line for each fact: a checksum, the rank, and what the fact is about. Facts form a lattice, so any set
//! of whole lines is a valid state, whatever was lost or repeated. That is why a plain file is enough: there is no order to
//! restore, and no index or page whose loss takes others along.

#[cfg(orgate_fuzzing)]
mod fuzzing;
mod line;
mod log;
mod rows;
mod settings;
mod store;
mod thread;
mod updates;

#[cfg(orgate_fuzzing)]
pub use fuzzing::{FileReading, read_file, write_file};
pub use log::FileLog;
pub use settings::{FileSettings, FileSync};
