//! The one reading of a request's path, and the routes it is matched against.

mod pattern;
mod read;
mod table;

pub(crate) use read::{Oddities, PathFault, read};
pub(crate) use table::{Match, Table, TrailingSlash, names};
