//! Sender-constrained tokens, step-up and authorization details, from the request to the response.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod certificates;
mod clauses;
mod details;
mod flood;
mod layers;
mod nonces;
mod page;
mod proofs;
mod replays;
mod step_up;
mod support;
