//! A tenant in a file.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use super::model::Tenant;
use crate::audit::directory::{Directory, Wanted};
use crate::audit::error::DirectoryError;
use crate::future::BoxFuture;

/// A larger file is an error.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// A file that holds a [`Tenant`] as JSON, which is read each time an audit is made.
///
/// ```json
/// {
///   "resources": [{ "indicator": "https://api.example.com", "scopes": ["read:orders", "write:orders"] }],
///   "organization_permissions": ["invite:member"],
///   "roles": [{
///     "name": "support", "type": "user", "default": false,
///     "permissions": [{ "resource": "https://api.example.com", "scopes": ["read:orders"] }]
///   }],
///   "organization_roles": [{
///     "name": "admin", "type": "user",
///     "organization_permissions": ["invite:member"],
///     "permissions": [{ "resource": "https://api.example.com", "scopes": ["read:orders", "write:orders"] }]
///   }],
///   "organizations": [{ "id": "acme", "just_in_time_roles": ["admin"], "mfa_required": false }],
///   "members": {
///     "users": [{ "id": "alice", "roles": ["support"], "organizations": [{ "id": "acme", "roles": ["admin"] }] }],
///     "machines": []
///   }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TenantFile(PathBuf);

impl TenantFile {
    /// Names the file. It is read when an audit is made.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or is not a consistent tenant. It names the file and the place in it.
    pub fn load(&self) -> Result<Tenant, DirectoryError> {
        let at = |why: &dyn std::fmt::Display| DirectoryError::new(format!("{}: {why}", self.0.display()));
        let file = File::open(&self.0).map_err(|error| at(&error))?;
        let mut text = String::new();
        let read = file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(|error| at(&error))?;
        if u64::try_from(read).is_ok_and(|read| read > MOST_BYTES) {
            return Err(at(&format_args!("more than {MOST_BYTES} bytes")));
        }
        Tenant::from_json(&text).map_err(|error| at(&error))
    }
}

impl Tenant {
    /// Reads a tenant from JSON.
    ///
    /// # Errors
    ///
    /// Returns an error that names the place if the text is not JSON, has a member that is not known or of another type, or if
    /// a name is there twice or refers to nothing.
    pub fn from_json(text: &str) -> Result<Self, DirectoryError> {
        if text.trim_ascii_start().starts_with('[') {
            return Err(DirectoryError::new("invalid: an array, where one JSON object is expected"));
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let tenant: Self = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            DirectoryError::new(format!("{path}: {}", error.into_inner()))
        })?;
        deserializer.end().map_err(DirectoryError::new)?;
        tenant.check()?;
        Ok(tenant)
    }
}

/// Who is a member is there if the file tells.
impl Directory for TenantFile {
    fn read(&self, _: Wanted) -> BoxFuture<'_, Result<Tenant, DirectoryError>> {
        Box::pin(async move { self.load() })
    }
}

impl Directory for Tenant {
    fn read(&self, _: Wanted) -> BoxFuture<'_, Result<Tenant, DirectoryError>> {
        Box::pin(async move { Ok(self.clone()) })
    }
}
