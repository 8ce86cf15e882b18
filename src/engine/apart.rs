//! Tokens that are not in `Authorization`, those of a browser's WebSocket; and requests that reach a handler without a grant.

use std::sync::Arc;

use http::request::Parts;

use super::evidence::Evidence;
use super::grant::Grant;
use super::requirement::Requirement;
use super::state::Reached;
use crate::error::ConfigError;
use crate::rejection::Rejection;
use crate::token::browser::{BrowserTokens, SubprotocolTokens};

impl Requirement {
    /// Returns the same requirement, which also accepts the token of a WebSocket handshake in `Sec-WebSocket-Protocol`.
    ///
    /// For routes that upgrade only: see [`websocket`](crate::websocket). The member with the token is removed from the request
    /// that is decided.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if an origin is not in the form in which browsers send it, or if there is none.
    pub fn with_browser_tokens(&self, tokens: &BrowserTokens) -> Result<Self, ConfigError> {
        Ok(self.reading(Some(tokens.build()?)))
    }

    /// The same requirement, with tokens that are read where these settings say.
    pub(crate) fn reading(&self, tokens: Option<SubprotocolTokens>) -> Self {
        Self(self.0.clone(), tokens)
    }

    pub(crate) fn browser_tokens(&self) -> Option<&SubprotocolTokens> {
        self.1.as_ref()
    }

    /// Decides a request whose token came after it.
    pub(crate) async fn authorize_with(&self, request: &mut Parts, token: Arc<str>) -> Result<Grant, Rejection> {
        self.authorize_by(request, Evidence::of_token(token)).await
    }

    /// How many bytes a token may have.
    pub(crate) fn max_token_bytes(&self) -> usize {
        self.state().max_token_bytes
    }
}

impl Reached {
    /// By a request that went past this requirement without a grant: it is not enforced, or the token is still to come.
    pub(crate) fn past(requirement: &Requirement) -> Self {
        Self { state: requirement.state().clone(), policy: Some(requirement.shared_policy().clone()) }
    }
}
