//! What the application knows of changes at the issuer.

use std::time::SystemTime;

use super::ResourceServer;
use crate::live::Change;

impl ResourceServer {
    /// Something changed at an issuer: what was known about it before does not serve any more, from the next request on.
    ///
    /// `at` is when it changed, by the issuer's clock: of two reports about one thing the older one changes nothing, so they
    /// may come twice and in any order. `false` if there is no entry of that name with a source of permissions.
    #[allow(clippy::must_use_candidate, reason = "what is not known needs no forgetting")]
    pub fn permissions_changed(&self, issuer_name: &str, change: Change, at: SystemTime) -> bool {
        let entries = self.state.entries.load();
        let Some(source) = entries.named(issuer_name).and_then(|entry| entry.permissions.as_ref()) else {
            return false;
        };
        let changed = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.state.live.permissions.invalidate(source.id, change, changed);
        true
    }
}
