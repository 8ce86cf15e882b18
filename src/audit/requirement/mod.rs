//! What a route requires, beside one tenant.

mod clause;
mod route;
mod words;

pub(super) use clause::{Clause, Reach, Rule};
pub(super) use route::{Api, Route, label};
pub(super) use words::clients;
