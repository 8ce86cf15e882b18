//! Opaque tokens: the issuer is asked what they are worth (RFC 7662), by a scripted endpoint and by a whole tenant over HTTP.

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

mod asked;
mod cache;
mod conditions;
mod judged;
mod outage;
mod recorded;
mod support;
mod tenant;
