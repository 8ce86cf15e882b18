//! Tokens that were verified before: when a server takes them again, when not, and what it costs. That a check was or was
//! not made is shown in `src/engine`, where permits can be counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by a panic"
)]

#[path = "../web/log.rs"]
mod log;

mod apart;
mod busy;
mod cheap;
mod ends;
mod size;
mod support;
mod twin;
