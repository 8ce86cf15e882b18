//! What an upstream learns about the caller, and that it learns it from the gateway alone.

mod assertion;
mod claims;
mod dictionary;
mod names;

pub(crate) use assertion::AssertionKey;
pub(crate) use claims::{Claims, Part};
pub(crate) use dictionary::dictionary;
pub(crate) use names::{Names, same_variable};
