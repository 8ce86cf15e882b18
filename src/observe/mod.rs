//! Built-in observers: a log of decisions in JSON lines.
//!
//! Every decision is one [`Record`](crate::engine::Record); an [`Observer`](crate::engine::Observer) is told of each.

mod counts;
mod json_lines;
mod line;
mod lines;
mod subject;

pub use counts::LogCounts;
pub use json_lines::{JsonLines, JsonLinesBuilder};
pub use subject::SubjectForm;
