//! The first of two decisions about a request that says in its body what it calls.

use http::request::Parts;

use super::decide::decide;
use super::evidence::Evidence;
use super::grant::Grant;
use super::requirement::Requirement;
use super::resolve::until_settled;
use crate::rejection::Rejection;
use crate::time::Now;

impl Requirement {
    /// Decides, and tells observers of a rejection only: a request that passes is decided once more. Its grant, which is in the
    /// extensions, says that the proof of its sender was accepted.
    pub(crate) async fn admit(&self, request: &mut Parts) -> Result<(), Rejection> {
        let (started, mut evidence) = (self.state().clock.now(), Evidence::default());
        let decide = |evidence: &mut Evidence, now: &Now| decide(self, request, evidence, now);
        match until_settled(self.state(), &mut evidence, None, decide).await {
            Ok(grant) => {
                request.extensions.insert(grant);
                Ok(())
            }
            Err(rejection) => {
                // An outer layer's, if the wait itself failed.
                request.extensions.remove::<Grant>();
                Err(self.rejected(rejection, None, request, &evidence, &started))
            }
        }
    }
}
