use tower_layer::Layer;

use super::service::Require;
use crate::engine::Requirement;
use crate::error::ConfigError;
use crate::token::browser::BrowserTokens;

/// Requires a policy of every request. Made by [`ResourceServer::require`](crate::ResourceServer::require).
///
/// A request that passes reaches the inner service with a [`Grant`](crate::engine::Grant) in its extensions, in place of
/// any that another layer had put there. `Authorization` is marked as sensitive by then.
#[derive(Clone, Debug)]
pub struct RequireLayer(Requirement);

impl RequireLayer {
    pub(crate) const fn new(requirement: Requirement) -> Self {
        Self(requirement)
    }

    /// Returns the same layer, which also accepts the token of a WebSocket handshake in `Sec-WebSocket-Protocol`.
    ///
    /// # Errors
    ///
    /// Same as [`Requirement::with_browser_tokens`].
    pub fn with_browser_tokens(&self, tokens: &BrowserTokens) -> Result<Self, ConfigError> {
        self.0.with_browser_tokens(tokens).map(Self)
    }

    /// Returns the requirement that the layer puts in front of a service.
    #[must_use]
    pub const fn requirement(&self) -> &Requirement {
        &self.0
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Require::new(inner, self.0.clone())
    }
}
