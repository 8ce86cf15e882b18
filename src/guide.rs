//! Pages to read.

/// The way of a request through the source, with the names of the functions.
#[doc = include_str!("../docs/guide/how-a-request-is-decided.md")]
pub mod how_a_request_is_decided {}
