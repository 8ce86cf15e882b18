//! Changes that outlive a process, and that replicas share: judged from outside, over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by a panic, and a real server has a real clock"
)]

mod file;
mod file_full;
mod file_killed;
mod file_twin;
mod scenarios;
mod support;
