//! Logto's Management API as a source of permissions, asked at a tenant's double over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "../web/log.rs"]
mod log;

mod budgets;
mod calls;
mod canned;
mod conversation;
mod differential;
mod hostile;
mod limits;
mod members;
mod models;
mod pages;
mod recorded;
mod token;
mod world;
