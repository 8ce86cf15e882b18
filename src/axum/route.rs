//! One line of the route table.

use std::sync::Arc;

use axum::routing::MethodRouter;
use axum::{Extension, Router};
use http::Method;

use super::feed_route::{self, Form};
use super::methods::Methods;
use super::path::parameters;
use crate::ResourceServer;
use crate::engine::{Reached, Requirement};
use crate::error::ConfigError;
use crate::feed::{PermissionFeed, Target};
use crate::mcp::{McpLayer, Tools};
use crate::policy::Policy;
use crate::tower::RequireLayer;

/// A route, and what it requires.
#[derive(Clone)]
pub(super) struct Route<S> {
    pub(super) path: String,
    pub(super) methods: Methods,
    pub(super) endpoint: Endpoint<S>,
    /// Where else a token may be.
    pub(super) browser_token: Option<String>,
}

/// What answers, and who may ask.
#[derive(Clone)]
pub(super) enum Endpoint<S> {
    Public(Box<MethodRouter<S>>),
    Guarded(ResourceServer, Box<Policy>, Protect<S>),
    Mcp(ResourceServer, Box<Tools>, ProtectMcp<S>),
    Feed(ResourceServer, Box<PermissionFeed>, Form),
}

/// Puts a layer around what answers.
pub(super) type Protect<S> = Arc<dyn Fn(RequireLayer) -> MethodRouter<S> + Send + Sync>;

/// Finds what would answer.
pub(super) type FindTarget = Arc<dyn Fn(&Method, &str) -> Target + Send + Sync>;

pub(super) type ProtectMcp<S> = Arc<dyn Fn(McpLayer) -> MethodRouter<S> + Send + Sync>;

/// A plain router that a guard lets in.
#[derive(Clone)]
pub(super) struct PublicRouter<S> {
    pub(super) prefix: String,
    pub(super) router: Router<S>,
}

impl<S: Clone + Send + Sync + 'static> PublicRouter<S> {
    pub(super) fn new(server: &ResourceServer, prefix: &str, router: Router<S>) -> Self {
        Self { prefix: prefix.to_owned(), router: router.layer(reached(server)) }
    }
}

impl<S: Clone + Send + Sync + 'static> Endpoint<S> {
    /// What answers anybody. Its extractors know the server all the same, whose form their rejections have.
    pub(super) fn public(server: &ResourceServer, endpoint: MethodRouter<S>) -> Self {
        Self::Public(Box::new(endpoint.layer(reached(server))))
    }
}

fn reached(server: &ResourceServer) -> Extension<Reached> {
    Extension(Reached { state: server.state.clone(), policy: None })
}

impl<S> Endpoint<S> {
    /// The server and the policies that judge requests; none for what is public.
    pub(super) fn guarded_by(&self) -> Option<(&ResourceServer, Vec<&Policy>)> {
        match self {
            Self::Public(_) => None,
            Self::Guarded(server, policy, _) => Some((server, vec![&**policy])),
            Self::Mcp(server, tools, _) => Some((server, tools.policies().map(|(_, policy)| policy).collect())),
            Self::Feed(server, feed, _) => Some((server, vec![feed.policy()])),
        }
    }

    /// One more policy; an open route stays open.
    pub(super) fn and(&mut self, more: &Policy) {
        match self {
            Self::Public(_) => {}
            Self::Guarded(_, policy, _) => **policy = (**policy).clone().and(more.clone()),
            Self::Mcp(_, tools, _) => **tools = (**tools).clone().require(more.clone()),
            Self::Feed(_, feed, _) => **feed = (**feed).clone().require(more.clone()),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// The endpoint behind its policy. `find`: all routes, where a feed needs them.
    pub(super) fn protect(self, find: Option<&FindTarget>) -> Result<MethodRouter<S>, ConfigError> {
        match self.endpoint {
            Endpoint::Public(endpoint) => Ok(*endpoint),
            Endpoint::Guarded(server, policy, protect) => {
                let layer = server.require(*policy).map_err(|fault| fault.at(&self.path))?;
                check_parameters(&self.path, layer.requirement())?;
                Ok(protect(layer))
            }
            Endpoint::Mcp(server, tools, protect) => {
                let layer = server.mcp(&tools).map_err(|fault| fault.at(&self.path))?;
                layer.requirements().try_for_each(|requirement| check_parameters(&self.path, requirement))?;
                Ok(protect(layer))
            }
            Endpoint::Feed(server, feed, form) => {
                let feed = match find.cloned() {
                    Some(find) => feed.routes(move |method, path| find(method, path)),
                    None => *feed,
                };
                let feed = server.permission_feed(feed).map_err(|fault| fault.at(&self.path))?;
                check_parameters(&self.path, feed.requirement())?;
                Ok(feed_route::endpoint(feed, form))
            }
        }
    }
}

/// Finds a path parameter that a policy reads and the path does not have.
fn check_parameters(path: &str, requirement: &Requirement) -> Result<(), ConfigError> {
    let known = parameters(path);
    match requirement.rules().path_parameters().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(absent) => Err(ConfigError::new(format_args!(
            "{path}: the policy reads path({absent:?}), and the path has no {{{absent}}}; if it belongs to a prefix, add the prefix with Guard::nest, because axum's nest hides it from the guard"
        ))),
    }
}
