//! Rights that are watched while they are used: every kind of end, with the clock turned by the test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by a panic, and what waits is measured"
)]

mod asked;
mod bodies;
mod ends;
mod live;
mod races;
mod renewals;
mod support;
