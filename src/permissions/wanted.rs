//! What a decision lacks of what a subject holds now.

use std::sync::Arc;

use super::{Freshness, PermissionQuery, Snapshot, Source, SourceError};

/// Permissions that a decision lacks.
pub(crate) struct WantedPermissions {
    pub(crate) source: Source,
    pub(crate) query: PermissionQuery,
    pub(crate) need: Freshness,
}

/// What came of it.
pub(crate) struct Waited {
    pub(crate) query: PermissionQuery,
    pub(crate) outcome: Result<Arc<Snapshot>, SourceError>,
}
