//! Doors to private readers for the targets in `fuzz`, which build with the feature `redis`. No part of the interface.

pub use super::file::{FileReading, read_file, write_file};
pub use super::redis::{believed_entry, believed_fact, written_fact};
