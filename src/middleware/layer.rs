use std::sync::Arc;

use tower_layer::Layer;

use super::service::Require;
use super::state::State;
use crate::policy::Rules;

/// Requires a policy of every request. Made by [`ResourceServer::require`](crate::ResourceServer::require).
///
/// A request that passes reaches the inner service with an [`AccessToken`](crate::AccessToken) and, where the policy has
/// one, an [`Organization`](crate::Organization) in its extensions.
#[derive(Clone, Debug)]
pub struct RequireLayer {
    pub(super) state: Arc<State>,
    pub(super) rules: Arc<Rules>,
}

impl RequireLayer {
    pub(crate) fn new(state: Arc<State>, rules: Rules) -> Self {
        Self { state, rules: Arc::new(rules) }
    }

    #[cfg(feature = "axum")]
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Require { inner, layer: self.clone() }
    }
}
