//! The handle to one API, its builder, and the settings of its issuers.

mod builder;
mod check;
mod issuer;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

pub use builder::Builder;
pub use issuer::Issuer;

use crate::error::ConfigError;
use crate::keys::{self, KeyStore, NotReady};
use crate::middleware::{RequireLayer, State};
use crate::policy::{Policy, Rules};

/// This API as an OAuth 2.0 resource server: whom it trusts, what it is called, and the keys that it holds.
///
/// A cheap clone; every layer is made from it and shares its keys. [`builder`](Self::builder) does no I/O and starts
/// nothing: keys are fetched on first use, or by [`ready`](Self::ready).
#[derive(Clone)]
pub struct ResourceServer {
    state: Arc<State>,
}

impl ResourceServer {
    /// The issuer of the access tokens (`https://tenant.logto.app/oidc` for Logto), and the resource indicator of this
    /// API, exactly as it is registered there.
    ///
    /// The issuer is its URL, or an [`Issuer`] with settings. Both strings are compared with tokens character by
    /// character.
    pub fn builder(issuer: impl Into<Issuer>, resource: impl Into<String>) -> Builder {
        Builder::new(issuer.into(), resource.into())
    }

    /// A layer that requires `policy` of every request.
    ///
    /// ```
    /// # use orgate::{policy::resource, ResourceServer};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
    /// let layer = server.require(resource().scope("read:products"))?;
    /// # let _: orgate::middleware::RequireLayer = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the policy is faulty, or does not fit the issuers and indicators of this server.
    pub fn require(&self, policy: Policy) -> Result<RequireLayer, ConfigError> {
        Ok(RequireLayer::new(self.state.clone(), Rules::compile(policy, self.state.entries.clone())?))
    }

    /// Fetches the keys of every issuer, for those who want to fail at boot rather than at the first request.
    ///
    /// Waits two seconds for each issuer at most, all of them at once.
    ///
    /// # Errors
    ///
    /// When an issuer has no keys by then. Requests will go on trying.
    pub fn ready(&self) -> impl Future<Output = Result<(), NotReady>> + Send + use<> {
        let stores = self.state.keys.iter().cloned();
        let names = self.state.entries.iter().map(|rules| rules.name.clone());
        keys::all_ready(names.zip(stores).collect::<Vec<(Arc<str>, KeyStore)>>())
    }
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServer").field("state", &self.state).finish()
    }
}
