//! Routes with their policies: the front door for axum.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, any, on};

use super::handler::{self, Guarded};
use super::methods::Methods;
use super::route::{Endpoint, PublicRouter, Route};
use super::{metadata, overlap, path};
use crate::ResourceServer;
use crate::error::ConfigError;
use crate::policy::Policy;
use crate::tower::RequireLayer;

/// Routes for axum, each with its policy.
///
/// Takes handlers by method, with the policy as the last argument. [`into_router`](Self::into_router) returns the router, or the
/// first fault as a [`ConfigError`]. `Display` prints the route table.
///
/// ```
/// use axum::Router;
/// use orgate::policy::{path, resource};
/// use orgate::{Guard, ResourceServer};
///
/// # fn main() -> Result<(), orgate::ConfigError> {
/// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
/// let guard: Guard = server.guard()
///     .get("/orgs/{org}/orders", async || "orders", resource().in_organization(path("org")).scope("read:orders"))
///     .public("/health", axum::routing::get(async || "ok"));
/// println!("{guard}");
/// let _router: Router = guard.into_router()?;
/// # Ok(())
/// # }
/// ```
///
/// [The guide](crate::guide::routing) describes state, nesting, unknown paths, and what is outside of a guard.
#[derive(Clone)]
#[must_use = "a guard serves nothing until into_router()"]
pub struct Guard<S = ()> {
    server: ResourceServer,
    pub(super) routes: Vec<Route<S>>,
    pub(super) public_routers: Vec<PublicRouter<S>>,
    pub(super) fallback: Option<Endpoint<S>>,
    require: Vec<Policy>,
    fault: Option<ConfigError>,
}

impl ResourceServer {
    /// Returns an empty [`Guard`]: axum routes, each with its policy.
    pub fn guard<S: Clone + Send + Sync + 'static>(&self) -> Guard<S> {
        Guard::new(self.clone())
    }
}

macro_rules! verbs {
    ($($(#[$doc:meta])+ $name:ident, $filter:ident;)+) => {$(
        $(#[$doc])+
        pub fn $name<H, T>(self, path: &str, handler: H, policy: Policy) -> Self
        where
            H: Handler<T, S>,
            T: 'static,
        {
            self.on(path, MethodFilter::$filter, handler, policy)
        }
    )+};
}

impl<S: Clone + Send + Sync + 'static> Guard<S> {
    fn new(server: ResourceServer) -> Self {
        Self {
            server,
            routes: Vec::new(),
            public_routers: Vec::new(),
            fallback: None,
            require: Vec::new(),
            fault: None,
        }
    }

    verbs! {
        /// `GET` (and `HEAD`, unless it has a route of its own).
        get, GET;
        /// `POST`.
        post, POST;
        /// `PUT`.
        put, PUT;
        /// `PATCH`.
        patch, PATCH;
        /// `DELETE`.
        delete, DELETE;
    }

    /// Adds a route for the methods of a filter.
    pub fn on<H, T>(self, path: &str, methods: MethodFilter, handler: H, policy: Policy) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let endpoint = self.guarded(policy, move |layer| on(methods, Guarded::new(&handler, &layer)));
        self.check_handler::<H>(path).add(path, Methods::Only(methods), endpoint)
    }

    /// Adds a route for every method that has no route of its own on this path.
    pub fn any<H, T>(self, path: &str, handler: H, policy: Policy) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let endpoint = self.guarded(policy, move |layer| any(Guarded::new(&handler, &layer)));
        self.check_handler::<H>(path).add(path, Methods::Rest, endpoint)
    }

    /// Adds a method router as a whole, including its fallback: a wrong method without a token receives 401, not 405.
    /// The guard cannot inspect it, so no other route may share its path.
    pub fn route(self, path: &str, endpoint: MethodRouter<S>, policy: Policy) -> Self {
        // `route_layer` would leave the method router's own fallback open.
        let endpoint = self.guarded(policy, move |layer| endpoint.clone().layer(layer));
        self.add(path, Methods::Whole, endpoint)
    }

    /// Adds a public route: its requests are not checked for a token.
    pub fn public(self, path: &str, endpoint: MethodRouter<S>) -> Self {
        let endpoint = Endpoint::public(&self.server, endpoint);
        self.add(path, Methods::Whole, endpoint)
    }

    /// Adds a public route for some methods of a path whose other methods may have policies.
    pub fn public_on<H, T>(self, path: &str, methods: MethodFilter, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let endpoint = Endpoint::public(&self.server, on(methods, handler));
        self.check_handler::<H>(path).add(path, Methods::Only(methods), endpoint)
    }

    /// Adds a public router below a prefix. The guard can have no other route below that prefix.
    pub fn public_router(mut self, prefix: &str, router: Router<S>) -> Self {
        self.keep_fault(path::check_prefix(prefix));
        self.public_routers.push(PublicRouter::new(&self.server, prefix, router));
        self
    }

    /// Sets the handler for unknown paths, behind a policy. Default: a plain 404.
    pub fn fallback<H, T>(self, handler: H, policy: Policy) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let endpoint = self.guarded(policy, move |layer| any(Guarded::new(&handler, &layer)));
        self.check_handler::<H>("fallback").set_fallback(endpoint)
    }

    /// Sets the handler for unknown paths, without a policy.
    pub fn public_fallback<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let endpoint = Endpoint::public(&self.server, any(handler));
        self.check_handler::<H>("fallback").set_fallback(endpoint)
    }

    /// Adds a policy to every route of this guard: those added before or after, and those merged and nested into it before or
    /// after. (axum's `layer` reaches only what was there before.) Public routes stay public.
    ///
    /// A guard can state the model once, and its routes add scopes:
    ///
    /// ```
    /// use orgate::policy::{path, resource, scope};
    /// # use orgate::{Guard, ResourceServer};
    /// # fn main() -> Result<(), orgate::ConfigError> {
    /// # let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
    /// let guard: Guard = server
    ///     .guard()
    ///     .require(resource().in_organization(path("org")))
    ///     .get("/orgs/{org}/orders", async || "orders", scope("read:orders"));
    /// # let _: axum::Router = guard.into_router()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn require(mut self, policy: Policy) -> Self {
        self.require.push(policy);
        self
    }

    /// Adds the routes of another guard. Policies that `require` added to the other guard stay with its routes.
    pub fn merge(self, other: Self) -> Self {
        self.absorb("", other)
    }

    /// Adds the routes of another guard below a prefix. Handlers see the whole path, and the parameters of the prefix
    /// too.
    pub fn nest(mut self, prefix: &str, other: Self) -> Self {
        self.keep_fault(path::check_prefix(prefix));
        if other.fallback.is_some() {
            self.keep_fault(Err(ConfigError::new(format_args!(
                "prefix {prefix:?}: a nested guard cannot have a fallback"
            ))));
        }
        self.absorb(prefix, other)
    }

    /// Returns the router, with each route behind its policy.
    ///
    /// What is added to it afterwards is *outside* the guard: routes and fallbacks are open, layers run first. That is the
    /// place for a `CorsLayer`, which then answers preflights.
    ///
    /// # Errors
    ///
    /// Returns the first fault of a policy or a path, including everything that would make axum panic.
    pub fn into_router(mut self) -> Result<Router<S>, ConfigError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.apply_required();
        self.add_metadata();
        overlap::check(&self.routes, &self.public_routers)?;
        let targets = self.targets()?;
        let mut router = Router::new();
        for route in self.routes {
            let path = route.path.clone();
            router = router.route(&path, route.protect(targets.as_ref())?);
        }
        for open in self.public_routers {
            router = router.nest(&open.prefix, open.router);
        }
        if let Some(endpoint) = self.fallback {
            let (path, methods) = ("fallback".to_owned(), Methods::Whole);
            router = router.fallback(Route { path, methods, endpoint, browser_token: None }.protect(None)?);
        }
        Ok(router)
    }

    pub(super) const fn server(&self) -> &ResourceServer {
        &self.server
    }

    pub(super) fn guarded(
        &self,
        policy: Policy,
        protect: impl Fn(RequireLayer) -> MethodRouter<S> + Send + Sync + 'static,
    ) -> Endpoint<S> {
        Endpoint::Guarded(self.server.clone(), Box::new(policy), Arc::new(protect))
    }

    pub(super) fn check_handler<H: 'static>(mut self, path: &str) -> Self {
        self.keep_fault(handler::check::<H, S>(path));
        self
    }

    pub(super) fn add(mut self, path: &str, methods: Methods, endpoint: Endpoint<S>) -> Self {
        self.keep_fault(path::check(path));
        self.routes.push(Route { path: path.to_owned(), methods, endpoint, browser_token: None });
        self
    }

    fn set_fallback(mut self, endpoint: Endpoint<S>) -> Self {
        if self.fallback.replace(endpoint).is_some() {
            self.keep_fault(Err(ConfigError::new("there is more than one fallback")));
        }
        self
    }

    /// Keeps the first fault.
    pub(super) fn keep_fault(&mut self, outcome: Result<(), ConfigError>) {
        self.fault = self.fault.take().or(outcome.err());
    }

    /// Moves what `require` said into the routes.
    pub(super) fn apply_required(&mut self) {
        for policy in self.require.drain(..) {
            self.routes.iter_mut().for_each(|route| route.endpoint.and(&policy));
            self.fallback.iter_mut().for_each(|endpoint| endpoint.and(&policy));
        }
    }

    /// Adds a public route for each metadata document that the policies need.
    pub(super) fn add_metadata(&mut self) {
        let endpoints = self.routes.iter().map(|route| &route.endpoint).chain(&self.fallback);
        let guarded: Vec<_> = endpoints.filter_map(Endpoint::guarded_by).collect();
        let routes = metadata::routes(&guarded);
        self.routes.extend(routes);
    }

    fn absorb(mut self, prefix: &str, mut other: Self) -> Self {
        other.apply_required();
        self.fault = self.fault.take().or(other.fault);
        let below = |path: &str| if prefix.is_empty() { path.to_owned() } else { path::join(prefix, path) };
        for route in other.routes {
            let path = below(&route.path);
            self.keep_fault(path::check(&path));
            self.routes.push(Route { path, ..route });
        }
        for open in other.public_routers {
            let prefix = below(&open.prefix);
            self.keep_fault(path::check_prefix(&prefix));
            self.public_routers.push(PublicRouter { prefix, ..open });
        }
        match other.fallback {
            Some(endpoint) => self.set_fallback(endpoint),
            None => self,
        }
    }
}

impl<S: Clone + Send + Sync + 'static> fmt::Debug for Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("routes", &self.to_string()).field("fault", &self.fault).finish_non_exhaustive()
    }
}
