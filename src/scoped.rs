//! An id, and the issuer entry in which it means something.

use std::fmt;
use std::sync::Arc;

/// Two ids are the same only within one issuer entry: equality and hash are over both. `Display` is the id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ScopedId {
    pub(crate) issuer_name: Arc<str>,
    pub(crate) id: Arc<str>,
}

impl ScopedId {
    pub(crate) fn new(issuer_name: &Arc<str>, id: &str) -> Self {
        Self { issuer_name: issuer_name.clone(), id: id.into() }
    }
}

impl fmt::Display for ScopedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}
