//! The feed of permission changes: what it says, to whom, how much, and that it says what a live route says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod agreement;
mod bounds;
mod differences;
mod faults;
mod forms;
mod routes;
#[path = "../live_permissions/support.rs"]
#[allow(dead_code, reason = "shared with another suite")]
mod support;
mod world;
