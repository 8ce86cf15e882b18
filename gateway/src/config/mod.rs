//! The configuration file: its tables, the secrets it refers to, and faults that point at what was written.

mod address;
mod duration;
mod expand;
mod fault;
mod file;
mod issuer;
mod load;
mod state;
mod text;

pub(crate) use address::Address;
pub(crate) use duration::parse_duration;
#[cfg(orgate_fuzzing)]
pub(crate) use expand::Surroundings;
pub(crate) use fault::{Fault, Source};
pub(crate) use file::*;
pub(crate) use issuer::*;
#[cfg(orgate_fuzzing)]
pub(crate) use load::parse;
pub(crate) use load::{Loaded, load};
pub(crate) use state::*;
pub(crate) use text::{Secret, Text};
