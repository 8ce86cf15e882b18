//! One line of the route table.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;

use super::methods::Methods;
use super::path::parameters;
use crate::ResourceServer;
use crate::error::ConfigError;
use crate::policy::Policy;
use crate::tower::RequireLayer;

/// A route, and what it requires.
#[derive(Clone)]
pub(super) struct Route<S> {
    pub(super) path: String,
    pub(super) methods: Methods,
    pub(super) endpoint: Endpoint<S>,
}

/// What answers, and who may ask.
#[derive(Clone)]
pub(super) enum Endpoint<S> {
    Public(Box<MethodRouter<S>>),
    Guarded(ResourceServer, Box<Policy>, Protect<S>),
}

/// Puts a layer around what answers.
pub(super) type Protect<S> = Arc<dyn Fn(RequireLayer) -> MethodRouter<S> + Send + Sync>;

/// A plain router that a guard lets in.
#[derive(Clone)]
pub(super) struct PublicRouter<S> {
    pub(super) prefix: String,
    pub(super) router: Router<S>,
}

impl<S> Endpoint<S> {
    /// The server and the policies that judge requests; none for what is public.
    pub(super) fn guarded_by(&self) -> Option<(&ResourceServer, Vec<&Policy>)> {
        match self {
            Self::Public(_) => None,
            Self::Guarded(server, policy, _) => Some((server, vec![&**policy])),
        }
    }

    /// One more policy; an open route stays open.
    pub(super) fn and(&mut self, more: &Policy) {
        if let Self::Guarded(_, policy, _) = self {
            **policy = (**policy).clone().and(more.clone());
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// The endpoint behind its policy.
    pub(super) fn protect(self) -> Result<MethodRouter<S>, ConfigError> {
        let (server, policy, protect) = match self.endpoint {
            Endpoint::Public(endpoint) => return Ok(*endpoint),
            Endpoint::Guarded(server, policy, protect) => (server, policy, protect),
        };
        let layer = server.require(*policy).map_err(|fault| fault.at(&self.path))?;
        let known = parameters(&self.path);
        if let Some(absent) = layer.requirement().rules().path_parameters().find(|name| !known.contains(name)) {
            return Err(ConfigError::new(format_args!(
                "{}: the policy reads path({absent:?}), and the path has no {{{absent}}}; if it belongs to a prefix, add \
                 the prefix with Guard::nest, since axum's nest hides it from the guard",
                self.path
            )));
        }
        Ok(protect(layer))
    }
}
