//! MCP servers behind a guard: what is called decides, however a client says it. The server is rmcp's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "../web/seen.rs"]
mod seen;

mod bodies;
mod lies;
mod policies;
mod random;
mod sessions;
mod streams;
mod support;
