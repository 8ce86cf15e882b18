//! The handle to a tenant that lives in the test process.

use std::fmt;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use http::StatusCode;

use super::state::{Store, Tenant};
use super::{Grant, Refused, TestTenantBuilder, TokenRequest, issue};
use crate::testing::TestIssuer;
use crate::testing::keys::random;
use crate::time::{Clock as _, milliseconds};

/// How long a subject token can be exchanged.
const SUBJECT_TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// The machine that may ask the Management API.
pub(super) const MANAGEMENT_CLIENT: &str = "management";

/// A Logto tenant in the test process: users, machines, organizations and roles, their tokens, and the tenant's
/// endpoints.
///
/// Around a [`TestIssuer`], which serves its metadata and keys, scripts its faults and counts its requests, it has the
/// token, introspection and revocation endpoints under `/oidc`, the part of the Management API under `/api` that says
/// what somebody may do now, and the webhooks of every change. What it answers is what a real Logto was seen to answer.
///
/// Users, applications and organizations have the ids that the test gives them. Roles, scopes and resources are spoken of
/// by name, and have other ids.
///
/// ```
/// use orgate::testing::{RoleType, TestTenant, TokenRequest};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let api = "https://api.example.com";
/// let tenant = TestTenant::start().await;
/// tenant.add_resource(api, &["read:orders", "write:orders"]);
/// tenant.add_organization_role("admin", RoleType::User, &["invite:members"]);
/// tenant.add_resource_scope_to_organization_role("admin", api, "write:orders");
/// tenant.add_organization("acme");
/// tenant.add_application("web");
/// tenant.add_user("alice");
/// tenant.add_member("acme", "alice");
/// tenant.give_organization_role("acme", "alice", "admin");
///
/// let grant = tenant.sign_in("alice", "web", &["write:orders", "invite:members"])?;
/// let orders = TokenRequest::resource(api).in_organization("acme");
/// let before = grant.refresh(&orders)?; // scope: write:orders
///
/// tenant.take_organization_role("acme", "alice", "admin");
/// let after = grant.refresh(&orders)?; // no scope; the token from before says what it said
///
/// tenant.remove_member("acme", "alice");
/// assert_eq!(grant.refresh(&orders).unwrap_err().code(), "oidc.access_denied");
/// # assert_ne!(before, after);
/// # Ok(())
/// # }
/// ```
pub struct TestTenant {
    issuer: TestIssuer,
    pub(super) tenant: Arc<Tenant>,
}

/// Where it is.
impl TestTenant {
    pub(super) const fn new(issuer: TestIssuer, tenant: Arc<Tenant>) -> Self {
        Self { issuer, tenant }
    }

    /// Starts a tenant with only its management client.
    ///
    /// # Panics
    ///
    /// Panics if loopback has no free port, or outside of a tokio runtime.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Returns the settings, to change before [`TestTenantBuilder::start`].
    pub fn builder() -> TestTenantBuilder {
        TestTenantBuilder::new()
    }

    /// Returns its issuer: address, keys, tokens of any form, faults and counts, including those of the tenant's
    /// endpoints.
    #[must_use]
    pub const fn issuer(&self) -> &TestIssuer {
        &self.issuer
    }

    /// Returns `http://127.0.0.1:{port}`: the issuer is under `/oidc`, the Management API under `/api`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.tenant.origin
    }

    /// Returns the indicator of the Management API's resource.
    #[must_use]
    pub fn management_resource(&self) -> &str {
        &self.tenant.management_resource
    }

    /// Returns the id and the secret of a machine with access to the Management API: the tenant's administrator.
    ///
    /// # Panics
    ///
    /// Panics if it was removed.
    #[must_use]
    pub fn management_client(&self) -> (String, String) {
        (MANAGEMENT_CLIENT.to_owned(), self.secret(MANAGEMENT_CLIENT))
    }

    /// Returns the secret of an application.
    ///
    /// # Panics
    ///
    /// Panics if there is no such application.
    #[must_use]
    pub fn secret(&self, application: &str) -> String {
        self.tenant.store().directory.application(application).secret.clone()
    }
}

/// What it issues.
impl TestTenant {
    /// Signs a user in through an application that requests these scopes, of any resource or organization, and every
    /// user scope. All of them that the user holds are granted.
    ///
    /// # Errors
    ///
    /// Returns an error if the user is suspended (`user.suspended`), was deleted or never existed
    /// (`session.invalid_credentials`).
    ///
    /// # Panics
    ///
    /// Panics if there is no such application.
    pub fn sign_in(&self, user: &str, application: &str, scopes: &[&str]) -> Result<Grant, Refused> {
        self.tenant.check_user(user)?;
        let (mut store, now) = self.change();
        store.directory.application(application);
        let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        let refresh_token = issue::consent(&mut store, user, application, &scopes, now);
        let signed_in = store.directory.user(user);
        signed_in.signed_in_at = Some(milliseconds(now));
        signed_in.application.get_or_insert_with(|| application.to_owned());
        let record = signed_in.record(user);
        store.outbox.tell_sign_in(now, (user, record), application);
        let (state, tenant) = (Arc::clone(self.issuer.state()), Arc::clone(&self.tenant));
        Ok(Grant::new(state, tenant, user.to_owned(), application.to_owned(), scopes, refresh_token))
    }

    /// Returns a machine's token, by its client credentials. It has the requested scopes that the machine holds.
    ///
    /// # Errors
    ///
    /// Returns an error if the machine is not a member of the organization (`oidc.access_denied`), the resource is
    /// unknown, or neither is named (`oidc.invalid_target`).
    ///
    /// # Panics
    ///
    /// Panics if there is no such machine.
    pub fn machine_token(&self, machine: &str, request: &TokenRequest) -> Result<String, Refused> {
        assert!(self.tenant.store().directory.application(machine).machine, "{machine:?} is not a machine");
        Ok(self.tenant.machine(self.issuer.state(), machine, request)?.token)
    }

    /// Returns a subject token, with which an application can act as the user: it can be exchanged once, within 600 seconds. See
    /// [`exchange`](Self::exchange).
    ///
    /// # Panics
    ///
    /// Panics if there is no such user.
    #[must_use]
    pub fn subject_token(&self, user: &str) -> String {
        let (mut store, now) = self.change();
        store.directory.user(user);
        let token = format!("sub_{}", random(15));
        store.subject_tokens.insert(token.clone(), (user.to_owned(), now + SUBJECT_TOKEN_LIFETIME));
        token
    }

    /// Exchanges a subject token for a user's access token with the scopes that the request asks for. No consent is
    /// needed, and a suspended user's tokens are minted on, as Logto does.
    ///
    /// # Errors
    ///
    /// Returns an error if the subject token is unknown, was exchanged already or expired, or its user is gone
    /// (`oidc.invalid_grant`), if the user is not a member of the organization (`oidc.access_denied`), or if the resource is
    /// unknown (`oidc.invalid_target`).
    pub fn exchange(&self, application: &str, subject_token: &str, request: &TokenRequest) -> Result<String, Refused> {
        Ok(self.tenant.exchange(self.issuer.state(), application, subject_token, request)?.token)
    }

    /// For a change that happens now.
    pub(super) fn change(&self) -> (MutexGuard<'_, Store>, Duration) {
        (self.tenant.store(), self.issuer.state().clock.now().unix)
    }
}

impl Tenant {
    /// Whether somebody can sign in.
    pub(super) fn check_user(&self, user: &str) -> Result<(), Refused> {
        match self.store().directory.users.get(user) {
            Some(user) if user.suspended => {
                Err(Refused::api(StatusCode::UNAUTHORIZED, "user.suspended", "This account is suspended."))
            }
            Some(_) => Ok(()),
            None => {
                let message = "Incorrect account or password. Please check your input.";
                Err(Refused::api(StatusCode::UNPROCESSABLE_ENTITY, "session.invalid_credentials", message))
            }
        }
    }
}

impl fmt::Debug for TestTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestTenant").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
