//! Whether anything that verified tokens rest on has changed since.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::lock::step;

/// Counts the changes of what verified tokens of one server rest on: its issuer entries and their key sets. While the count
/// is the same, a look would find the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Generation(Arc<AtomicU32>);

impl Generation {
    /// To be asked for *before* the look. It comes round after 4,294,967,296 changes.
    pub(crate) fn current(&self) -> u32 {
        step();
        self.0.load(Ordering::Acquire)
    }

    /// To be called *after* the change, and before anybody is told of it.
    pub(crate) fn advance(&self) {
        step();
        self.0.fetch_add(1, Ordering::Release);
    }
}
