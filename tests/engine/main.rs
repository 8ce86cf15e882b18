//! The engine, asked directly and through its faces.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "../web/mod.rs"]
mod web;

mod authorize;
mod faces;
mod json_lines;
mod records;
mod waits;
