//! The route table, as data and as text.

use std::fmt;

use super::guard::Guard;
use super::route::{Endpoint, Route};
use crate::ResourceServer;
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
        self.table().into_iter().map(|(route, _)| route).collect()
    }

    /// The routes, each with the server that judges its requests; none for what is public.
    pub(super) fn table(&self) -> Vec<(RouteDescription, Option<ResourceServer>)> {
        let mut applied = self.clone();
        applied.apply_required();
        applied.add_metadata();
        let server = |endpoint: &Endpoint<S>| endpoint.guarded_by().map(|(server, _)| server.clone());
        let routes = applied.routes.iter().flat_map(|route| {
            let server = server(&route.endpoint);
            rows(route).into_iter().map(move |row| (row, server.clone()))
        });
        let public = applied.public_routers.iter();
        let public = public.map(|public| (RouteDescription::new(NONE, &public.prefix, Access::PublicRouter), None));
        let fallback = applied.fallback.iter();
        let fallback = fallback.map(|endpoint| (RouteDescription::fallback(access(endpoint)), server(endpoint)));
        routes.chain(public).chain(fallback).collect()
    }
}

const NONE: [&str; 0] = [];

/// One row, or one for each policy of an MCP server.
fn rows<S>(route: &Route<S>) -> Vec<RouteDescription> {
    let Endpoint::Mcp(_, tools, _) = &route.endpoint else {
        let row = RouteDescription::new(route.methods.names(), &route.path, access(&route.endpoint));
        return vec![match &route.browser_token {
            Some(place) => row.browser_token(place),
            None => row,
        }];
    };
    let row = |(call, policy)| {
        let access = Access::from(policy);
        match call {
            None => RouteDescription::new(["GET", "POST", "DELETE"], &route.path, access),
            Some(call) => RouteDescription::new(["POST"], &route.path, access).operation(call),
        }
    };
    tools.policies().map(row).collect()
}

fn access<S>(endpoint: &Endpoint<S>) -> Access {
    match endpoint {
        Endpoint::Public(_) => Access::Public,
        Endpoint::Guarded(_, policy, _) => Access::from(&**policy),
        Endpoint::Mcp(_, tools, _) => Access::from(tools.basic_policy()),
        Endpoint::Feed(_, feed, _) => Access::from(feed.policy()),
    }
}

/// The route table: a line for each route with methods, path and policy, for a startup log or a snapshot test.
impl<S: Clone + Send + Sync + 'static> fmt::Display for Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |route: RouteDescription| {
            let methods = if route.methods.is_empty() { "*".to_owned() } else { route.methods.join(",") };
            let path = match (route.path, &route.access) {
                (Some(prefix), Access::PublicRouter) => format!("{prefix}/**"),
                (Some(path), _) => route.operation.map_or(path.clone(), |operation| format!("{path} {operation}")),
                (None, _) => "(fallback)".to_owned(),
            };
            let token = route.browser_token.map(|place| format!(" (token in {place})")).unwrap_or_default();
            (methods, path, format!("{}{token}", route.access))
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
