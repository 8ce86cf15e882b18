//! Calls to a server that must answer soon: bounded in time, in number and in bytes, and made twice at most.

mod call;
mod client;

pub(crate) use call::{CallError, Remote, is_passing, retry_after};
pub(crate) use client::{ClientChoice, check_header, check_url};
