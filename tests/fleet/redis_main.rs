//! Changes that replicas share through a server: judged from outside, over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by a panic, and a real server has a real clock"
)]

mod redis;
mod support;
