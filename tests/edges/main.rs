//! Faults that were reported of other servers, or found by reading this one with bad intent, each as a whole: over HTTP, with
//! a real issuer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by a panic"
)]

mod bulkheads;
mod decisions;
mod documents;
mod envelope;
mod introspection;
mod issuers;
mod routers;
mod runtimes;
mod support;
mod tenants;
mod tokens;
mod webhooks;
