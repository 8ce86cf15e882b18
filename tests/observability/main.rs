//! What a server shows about its decisions: metrics as Prometheus scrapes them, spans as OpenTelemetry exports them, and that
//! neither holds a secret.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "tests, and counts that are small"
)]

#[path = "../web/mod.rs"]
mod web;

mod calls;
mod corpus;
mod decisions;
mod doubles;
mod gauges;
mod guide;
mod scrape;
mod spans;
