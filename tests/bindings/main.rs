//! Sender-constrained tokens: DPoP and client certificates, from the request to the response.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod certificates;
mod layers;
mod nonces;
mod proofs;
mod replays;
mod support;
