//! Whether a request that was granted may go on after it has waited for its service.

use http::request::Parts;

use super::grant::Grant;
use super::recheck::recheck;
use super::requirement::Requirement;

impl Requirement {
    /// Whether what the request was granted a while ago still stands. If not, it is to be decided anew.
    pub(crate) fn still_grants(&self, request: &Parts) -> bool {
        let now = self.state().clock.now();
        match request.extensions.get::<Grant>() {
            Some(grant) => recheck(self, grant, &now).is_ok(),
            // Nothing was granted, and nothing is enforced.
            None => self.rules().is_shadow_only(),
        }
    }
}
