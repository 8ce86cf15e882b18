//! Protected resource metadata (RFC 9728): where the documents are, what they say, and what challenges say of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "../web/seen.rs"]
mod seen;

mod added;
mod challenges;
mod documents;
mod settings;
mod support;
