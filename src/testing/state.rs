//! What one issuer is made of.

use std::fmt;
use std::sync::{Arc, Mutex};

use http::HeaderValue;

use super::release::LogtoRelease;
use super::ring::KeyRing;
use super::script::Faults;
use super::tenant::Tenant;
use super::traffic::Traffic;
use super::{Endpoint, TestClock};

/// What the handle, the server and the tokens share.
pub(super) struct State {
    /// The issuer identifier.
    pub(super) url: String,
    pub(super) path: String,
    pub(super) clock: TestClock,
    pub(super) keys: Mutex<KeyRing>,
    pub(super) faults: Faults<Endpoint>,
    pub(super) cache_control: Mutex<Option<HeaderValue>>,
    pub(super) traffic: Arc<Traffic>,
    /// Whose issuer it is, if there is more than an issuer.
    pub(super) tenant: Option<Arc<Tenant>>,
}

impl State {
    /// The release of Logto that it imitates.
    pub(super) fn release(&self) -> LogtoRelease {
        self.tenant.as_ref().map_or_else(LogtoRelease::default, |tenant| tenant.release())
    }

    /// What is asked for at this path.
    pub(super) fn endpoint(&self, path: &str) -> Option<Endpoint> {
        if let Some("/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server") =
            path.strip_prefix(&*self.path)
        {
            return Some(Endpoint::Discovery);
        }
        if path.strip_prefix("/.well-known/oauth-authorization-server") == Some(&*self.path) {
            return Some(Endpoint::Discovery);
        }
        if path.strip_prefix(&*self.path) == Some("/jwks") {
            return Some(Endpoint::Keys);
        }
        self.tenant.as_ref().and_then(|_| Tenant::endpoint(path.strip_prefix(&*self.path), path))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("url", &self.url).finish_non_exhaustive()
    }
}
