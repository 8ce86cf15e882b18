//! One line of the route table.

use std::fmt;

use axum::Router;
use axum::routing::MethodRouter;

use super::methods::Methods;
use super::path::parameters;
use crate::ResourceServer;
use crate::error::ConfigError;
use crate::policy::Policy;

/// A route, and what it requires.
#[derive(Clone)]
pub(super) struct Route<S> {
    pub(super) path: String,
    pub(super) methods: Methods,
    pub(super) endpoint: MethodRouter<S>,
    pub(super) access: Access,
}

#[derive(Clone)]
pub(super) enum Access {
    Open,
    Guarded(ResourceServer, Box<Policy>),
}

/// A plain router that a guard lets in.
#[derive(Clone)]
pub(super) struct OpenRouter<S> {
    pub(super) prefix: String,
    pub(super) router: Router<S>,
}

impl Access {
    /// One more policy; an open route stays open.
    pub(super) fn and(&mut self, more: &Policy) {
        if let Self::Guarded(_, policy) = self {
            **policy = (**policy).clone().and(more.clone());
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// The endpoint behind its policy.
    pub(super) fn protect(self) -> Result<MethodRouter<S>, ConfigError> {
        let Access::Guarded(server, policy) = self.access else { return Ok(self.endpoint) };
        let layer = server.require(*policy).map_err(|fault| fault.at(&self.path))?;
        let known = parameters(&self.path);
        if let Some(absent) = layer.rules().path_parameters().find(|name| !known.contains(name)) {
            return Err(ConfigError::new(format_args!(
                "{}: the policy reads path({absent:?}), and the path has no {{{absent}}}",
                self.path
            )));
        }
        Ok(match self.methods {
            // `route_layer` leaves a method router's own fallback open: right for the 405 of a wrong method only.
            Methods::Only(_) => self.endpoint.route_layer(layer),
            Methods::Rest | Methods::Whole => self.endpoint.layer(layer),
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Guarded(_, policy) => fmt::Display::fmt(policy, f),
        }
    }
}
