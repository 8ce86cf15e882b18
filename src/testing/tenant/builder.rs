//! A tenant before it starts.

use std::sync::{Arc, Mutex};

use super::directory::{Application, Resource, Role, RoleType, Scope, random_id};
use super::state::{Store, Tenant};
use super::{MANAGEMENT_CLIENT, TestTenant};
use crate::signature::Algorithm;
use crate::testing::keys::random;
use crate::testing::release::LogtoRelease;
use crate::testing::{TestClock, TestIssuer, TestIssuerBuilder};

/// The settings of a [`TestTenant`] that is not started yet.
///
/// ```
/// use orgate::testing::{LogtoRelease, TestTenant};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tenant = TestTenant::builder().release(LogtoRelease::V1_37).start().await;
/// assert!(tenant.issuer().url().ends_with("/oidc"));
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "the tenant starts with start()"]
pub struct TestTenantBuilder {
    issuer: TestIssuerBuilder,
    release: LogtoRelease,
    management_resource: String,
}

impl TestTenantBuilder {
    pub(super) fn new() -> Self {
        Self {
            issuer: TestIssuer::builder(),
            release: LogtoRelease::default(),
            management_resource: "https://default.logto.app/api".to_owned(),
        }
    }

    /// Sets the clock that dates tokens, webhooks and records. Default: a new one, stopped at the real time. For a
    /// tenant whose clock differs from the API's: [`TestClock::ahead`], [`TestClock::behind`].
    pub fn clock(mut self, clock: TestClock) -> Self {
        self.issuer = self.issuer.clock(clock);
        self
    }

    /// Sets the algorithm of the keys. Default: ES384.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.issuer = self.issuer.algorithm(algorithm);
        self
    }

    /// Sets the Logto release to imitate. Default: the newest known one.
    pub const fn release(mut self, release: LogtoRelease) -> Self {
        self.release = release;
        self
    }

    /// Sets the indicator of the Management API's resource. Default: `https://default.logto.app/api`, as on a
    /// self-hosted server.
    pub fn management_resource(mut self, indicator: impl Into<String>) -> Self {
        self.management_resource = indicator.into();
        self
    }

    /// Binds a free port on 127.0.0.1 and serves.
    ///
    /// # Panics
    ///
    /// Panics if loopback has no free port, or outside of a tokio runtime.
    pub async fn start(self) -> TestTenant {
        let mut store = Store::default();
        let all = Scope::new("all", 0);
        let role = Role {
            id: random_id(),
            name: "Logto Management API access".to_owned(),
            kind: RoleType::MachineToMachine,
            is_default: false,
            scopes: vec![all.id.clone()],
        };
        let client = Application {
            machine: true,
            third_party: false,
            document: None,
            secret: random(24),
            roles: vec![role.id.clone()],
        };
        let mut resource = Resource::new(&self.management_resource);
        resource.scopes.push(all);
        store.directory.resources.push(resource);
        store.directory.roles.push(role);
        store.directory.applications.insert(MANAGEMENT_CLIENT.to_owned(), client);
        let (release, management_resource) = (self.release, self.management_resource);
        let mut tenant = None;
        let issuer = self.issuer.start_for(|origin| {
            let store = Mutex::new(store);
            let made = Arc::new(Tenant { origin, release, management_resource, store });
            tenant = Some(Arc::clone(&made));
            Some(made)
        });
        let issuer = issuer.await;
        if release < LogtoRelease::V1_42 {
            issuer.cache_control("");
        }
        match tenant {
            Some(tenant) => TestTenant::new(issuer, tenant),
            None => unreachable!("the issuer asks for its tenant once"),
        }
    }
}
