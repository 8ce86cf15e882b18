//! How a server asks other servers: one [`HttpClient`] setting, and the [`Fetch`] trait for clients of your own.

mod client;
mod document;
mod fetch;
mod header;
pub(crate) mod percent;
mod remote;
pub(crate) mod url;

pub use client::HttpClient;
pub(crate) use document::send;
pub use fetch::{Fetch, FetchError};
pub(crate) use header::{check_header, retry_after};
pub(crate) use remote::{CallError, Remote, is_passing};
