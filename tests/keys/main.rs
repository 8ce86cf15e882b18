//! Where keys come from and how long they live, over real HTTP: a test issuer in front, a guarded route behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by a panic"
)]

#[path = "../web/log.rs"]
mod log;

mod answers;
mod custom;
mod documents;
mod first_use;
mod operate;
mod outage;
mod refresh;
mod rotation;
mod runtimes;
mod sources;
mod support;
mod tenants;
mod transport;
mod without_kid;
