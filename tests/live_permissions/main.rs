//! Routes that ask what the subject holds now: over the public API, with a source that does what the test says, and with
//! Logto's Management API in front of a whole tenant.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by a panic, and what waits is measured"
)]

#[path = "../web/log.rs"]
mod log;

mod bursts;
mod changes;
mod client;
mod conversations;
mod entries;
mod freshness;
mod logs;
mod outage;
mod policies;
mod support;
