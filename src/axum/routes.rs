//! The route table, as data and as text.

use std::fmt;

use super::guard::Guard;
use super::methods::Methods;
use super::route::Endpoint;
use crate::route::{Access, RouteDescription};

impl<S: Clone + Send + Sync + 'static> Guard<S> {
    /// Returns the route table as data, in the order of the guard: routes, public routers, then the fallback.
    ///
    /// ```
    /// use orgate::policy::resource;
    /// use orgate::{Guard, ResourceServer};
    ///
    /// # fn main() -> Result<(), orgate::ConfigError> {
    /// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
    /// let guard: Guard = server.guard().get("/products", || async { "products" }, resource().scope("read:products"));
    /// for route in guard.routes() {
    ///     println!("{:?} {:?} {}", route.methods, route.path, route.access);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn routes(&self) -> Vec<RouteDescription> {
        let mut applied = self.clone();
        applied.apply_required();
        applied.add_metadata();
        let routes = applied.routes.iter().map(|route| RouteDescription {
            methods: names(route.methods),
            path: Some(route.path.clone()),
            access: Access::from(&route.endpoint),
        });
        let public = applied.public_routers.iter().map(|public| RouteDescription {
            methods: Vec::new(),
            path: Some(public.prefix.clone()),
            access: Access::PublicRouter,
        });
        let fallback = applied.fallback.iter().map(|endpoint| RouteDescription {
            methods: names(Methods::Whole),
            path: None,
            access: Access::from(endpoint),
        });
        routes.chain(public).chain(fallback).collect()
    }
}

fn names(methods: Methods) -> Vec<String> {
    methods.names().into_iter().map(str::to_owned).collect()
}

impl<S> From<&Endpoint<S>> for Access {
    fn from(endpoint: &Endpoint<S>) -> Self {
        match endpoint {
            Endpoint::Public(_) => Self::Public,
            Endpoint::Guarded(_, policy, _) => Self::from(&**policy),
        }
    }
}

/// The route table: a line for each route with methods, path and policy, for a startup log or a snapshot test.
impl<S: Clone + Send + Sync + 'static> fmt::Display for Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |route: RouteDescription| {
            let methods = if route.methods.is_empty() { "*".to_owned() } else { route.methods.join(",") };
            let path = match (route.path, &route.access) {
                (Some(prefix), Access::PublicRouter) => format!("{prefix}/**"),
                (Some(path), _) => path,
                (None, _) => "(fallback)".to_owned(),
            };
            (methods, path, route.access)
        };
        let lines: Vec<_> = self.routes().into_iter().map(line).collect();
        let methods_width = lines.iter().map(|line| line.0.len()).max().unwrap_or(0);
        let path_width = lines.iter().map(|line| line.1.len()).max().unwrap_or(0);
        for (methods, path, access) in &lines {
            writeln!(f, "{methods:methods_width$}  {path:path_width$}  {access}")?;
        }
        Ok(())
    }
}
