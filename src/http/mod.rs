//! The HTTP client for requests to other servers: the [`HttpClient`] setting, and the [`Fetch`] trait for your own client.

pub(crate) mod body;
mod client;
mod document;
mod fetch;
#[cfg_attr(not(any(feature = "authzen", feature = "logto", feature = "permit")), allow(dead_code))]
pub(crate) mod percent;
// Whoever calls through it is a vendor, and features gate those.
#[cfg_attr(not(any(feature = "authzen", feature = "permit")), allow(dead_code))]
pub(crate) mod remote;
mod retry_after;
#[cfg_attr(not(any(feature = "authzen", feature = "logto", feature = "permit")), allow(dead_code))]
pub(crate) mod url;

pub use client::HttpClient;
pub(crate) use document::send;
pub use fetch::{Fetch, FetchError};
pub(crate) use retry_after::retry_after;
