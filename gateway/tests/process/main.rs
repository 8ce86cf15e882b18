//! The program as a process: signals, exit codes, faults, reloads, memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::naive_bytecount,
    reason = "tests may panic"
)]

mod application;
mod commands;
mod crash;
mod endless;
mod guide;
mod load;
mod memory;
mod proxies;
mod support;
mod tls;
