//! A client's life after a sign-in.

use std::fmt;
use std::sync::Arc;

use super::issue::consent;
use super::state::Tenant;
use super::{Refused, TokenRequest};
use crate::testing::state::State;
use crate::time::Clock as _;

/// A signed-in user from the client's point of view: a refresh token, and the requested scopes.
///
/// Made by [`TestTenant::sign_in`](super::TestTenant::sign_in). Tokens come from [`refresh`](Self::refresh), also the
/// first one; the scopes in them are those that Logto would put in *now*:
///
/// - a permission that was lost is missing;
/// - an organization permission that was gained is there, if the client asked for the scope at sign-in;
/// - an API scope that was gained is there only after [`reconsent`](Self::reconsent).
#[derive(Clone)]
pub struct Grant {
    state: Arc<State>,
    tenant: Arc<Tenant>,
    user: String,
    client: String,
    scopes: Vec<String>,
    refresh_token: String,
}

impl Grant {
    pub(super) const fn new(
        state: Arc<State>,
        tenant: Arc<Tenant>,
        user: String,
        client: String,
        scopes: Vec<String>,
        refresh_token: String,
    ) -> Self {
        Self { state, tenant, user, client, scopes, refresh_token }
    }

    /// Returns a new access token by the refresh token, without a sign-in.
    ///
    /// # Errors
    ///
    /// Returns an error if Logto would reject the request: the user is suspended or deleted (`oidc.invalid_grant`), is
    /// not a member of the organization (`oidc.access_denied`), the resource is unknown (`oidc.invalid_target`), or the
    /// request asks for a scope that the sign-in did not (`oidc.invalid_scope`).
    pub fn refresh(&self, request: &TokenRequest) -> Result<String, Refused> {
        let issued = self.tenant.refresh(&self.state, &self.client, &self.refresh_token, request)?;
        Ok(issued.token)
    }

    /// Signs in again with `prompt=consent`, asking for the same scopes. From now on the grant is the new sign-in's.
    ///
    /// # Errors
    ///
    /// Returns an error if the user is suspended or deleted.
    pub fn reconsent(&mut self) -> Result<(), Refused> {
        self.tenant.check_user(&self.user)?;
        let now = self.state.clock.now().unix;
        self.refresh_token = consent(&mut self.tenant.store(), &self.user, &self.client, &self.scopes, now);
        Ok(())
    }

    /// Returns the refresh token, for a client that calls the token endpoint itself.
    #[must_use]
    pub fn refresh_token(&self) -> &str {
        &self.refresh_token
    }

    /// Returns the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the application.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Grant");
        debug.field("user", &self.user).field("client", &self.client).field("scopes", &self.scopes);
        debug.finish_non_exhaustive()
    }
}
