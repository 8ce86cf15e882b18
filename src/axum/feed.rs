//! The feed of permission changes in a guard.

use std::sync::Arc;

use axum::routing::MethodFilter;

use super::feed_route::Form;
use super::guard::Guard;
use super::methods::Methods;
use super::path;
use super::route::{Endpoint, FindTarget};
use super::targets::Targets;
use crate::error::ConfigError;
use crate::feed::PermissionFeed;

impl<S: Clone + Send + Sync + 'static> Guard<S> {
    /// Adds a feed of permission changes: `GET {path}` for the state, `GET {path}/events` for the stream. See
    /// [`feed`](crate::feed).
    ///
    /// `?may=POST /orders` is answered for the routes of the guard that becomes the router.
    pub fn permission_feed(self, path: &str, feed: PermissionFeed) -> Self {
        let get = Methods::Only(MethodFilter::GET);
        let server = self.server().clone();
        let state = Endpoint::Feed(server.clone(), Box::new(feed.clone()), Form::State);
        let events = Endpoint::Feed(server, Box::new(feed), Form::Events);
        self.add(path, get, state).add(&path::join(path, "/events"), get, events)
    }

    /// All routes, where callers of a feed may ask about them.
    pub(super) fn targets(&self) -> Result<Option<FindTarget>, ConfigError> {
        if !self.routes.iter().any(|route| matches!(route.endpoint, Endpoint::Feed(..))) {
            return Ok(None);
        }
        let targets = Targets::new(&self.routes, &self.public_routers, self.fallback.is_some())?;
        Ok(Some(Arc::new(move |method, path| targets.find(method, path))))
    }
}
