//! The engine, asked directly and through its faces.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "../web/mod.rs"]
mod web;

mod authorize;
mod corpus;
mod explained;
mod faces;
mod interleavings;
mod json_lines;
mod lines;
mod observed;
mod readiness;
mod records;
mod rows;
mod shadow;
mod talks;
mod waits;
