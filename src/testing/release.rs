//! Releases of Logto, where they differ.

/// The Logto release that a tenant imitates, where releases differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LogtoRelease {
    /// Introspection calls a JWT inactive. A change of members names no member in its webhook. The key set says nothing about
    /// caches, and has two keys at most. The `typ` of ID tokens is `JWT`.
    V1_37,
    /// Introspection rejects a JWT with 400. A change of members names them in its webhook. The key set has three keys at most.
    /// ID tokens have no `typ`.
    #[default]
    V1_42,
}

impl LogtoRelease {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_37 => "1.37",
            Self::V1_42 => "1.42",
        }
    }
}
