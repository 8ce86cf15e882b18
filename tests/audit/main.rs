//! Audits: what the matrix says is what the API does, and what does not fit is found.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod directories;
mod findings;
mod forms;
mod people;
mod probes;
mod random;
mod rules;
mod scale;
mod support;
mod world;
mod worlds;
