//! A guard whose routes are in an OpenAPI document.

use std::fmt;

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::openapi::path::Paths;
use utoipa::openapi::{OpenApi, PathItem, RefOr, Schema};

use super::guard::Guard;
use super::handler::Guarded;
use super::methods::Methods;
use super::path;
use super::route::Endpoint;
use crate::ResourceServer;
use crate::error::ConfigError;
use crate::openapi::{Scheme, Schemes, add_problem, apply, describe_public, methods, operations};
use crate::policy::Policy;

/// What `routes!(..)` of utoipa-axum makes: schemas, the path with its operations, and their handlers.
pub type DocumentedRoutes<S> = (Vec<(String, RefOr<Schema>)>, Paths, MethodRouter<S>);

/// A [`Guard`] whose routes are part of an OpenAPI document. Made by [`ResourceServer::documented_guard`],
/// which has an example.
#[derive(Clone)]
#[must_use = "a guard serves nothing until split_for_parts()"]
pub struct DocumentedGuard<S = ()> {
    server: ResourceServer,
    guard: Guard<S>,
    items: Vec<Item>,
    schemas: Vec<(String, RefOr<Schema>)>,
    require: Vec<Policy>,
    allows_other_operations: bool,
}

/// Operations of one path, as one `routes!(..)` names them.
#[derive(Clone)]
struct Item {
    /// Which judges its requests.
    server: ResourceServer,
    path: String,
    operations: PathItem,
    /// None for what is public.
    policy: Option<Policy>,
}

impl ResourceServer {
    /// Returns an empty [`DocumentedGuard`]: utoipa's routes, each with its policy.
    ///
    /// ```
    /// use orgate::ResourceServer;
    /// use orgate::axum::DocumentedGuard;
    /// use orgate::openapi::Scheme;
    /// use orgate::policy::resource;
    /// use utoipa::OpenApi as _;
    /// use utoipa_axum::routes;
    ///
    /// #[derive(utoipa::OpenApi)]
    /// #[openapi(info(title = "Shop", version = "1"))]
    /// struct Api;
    ///
    /// /// The orders
    /// #[utoipa::path(get, path = "/orders", responses((status = 200, description = "Orders", body = Vec<String>)))]
    /// async fn list_orders() -> axum::Json<Vec<String>> {
    ///     axum::Json(Vec::new())
    /// }
    ///
    /// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
    /// let guard: DocumentedGuard = server.documented_guard().routes(routes!(list_orders), resource().scope("read:orders"));
    /// let (router, document) = guard.split_for_parts(Api::openapi(), &Scheme::logto("logto").scope("read:orders", "See orders"))?;
    /// # let _: axum::Router = router;
    /// assert!(document.to_json().unwrap().contains("\"security\":[{\"logto\":[\"read:orders\"]}]"));
    /// # Ok::<(), orgate::ConfigError>(())
    /// ```
    pub fn documented_guard<S: Clone + Send + Sync + 'static>(&self) -> DocumentedGuard<S> {
        DocumentedGuard {
            server: self.clone(),
            guard: self.guard(),
            items: Vec::new(),
            schemas: Vec::new(),
            require: Vec::new(),
            allows_other_operations: false,
        }
    }
}

impl<S: Clone + Send + Sync + 'static> DocumentedGuard<S> {
    /// Adds the routes of one `routes!(..)`, behind a policy. One path may have several of them with different methods.
    pub fn routes(self, routes: DocumentedRoutes<S>, policy: Policy) -> Self {
        self.add(routes, Some(policy))
    }

    /// Adds the routes of one `routes!(..)` without a policy.
    pub fn public_routes(self, routes: DocumentedRoutes<S>) -> Self {
        self.add(routes, None)
    }

    /// Adds routes that are not in the document.
    pub fn undocumented(mut self, guard: Guard<S>) -> Self {
        self.guard = self.guard.merge(guard);
        self
    }

    /// Allows operations in the document that no route of this guard serves.
    pub fn allow_operations_without_route(mut self) -> Self {
        self.allows_other_operations = true;
        self
    }

    /// Adds a policy to every route of this guard, as [`Guard::require`] does.
    pub fn require(mut self, policy: Policy) -> Self {
        self.guard = self.guard.require(policy.clone());
        self.require.push(policy);
        self
    }

    /// Adds the routes of another guard, as [`Guard::merge`] does.
    pub fn merge(self, other: Self) -> Self {
        self.absorb("", other)
    }

    /// Adds the routes of another guard below a prefix, as [`Guard::nest`] does.
    pub fn nest(self, prefix: &str, other: Self) -> Self {
        self.absorb(prefix, other)
    }

    /// Returns the router, with each route behind its policy, and the document that states the policy of each
    /// operation.
    ///
    /// `document` brings everything else: title, servers, tags, schemas. Operations get their `security`, their policy in
    /// words, and responses to rejected requests where they have none. Where the server shapes rejections
    /// ([`Builder::rejection_body`](crate::server::Builder::rejection_body)), these have no schema. Routes of
    /// [`undocumented`](Self::undocumented) and of metadata documents are left out.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Guard::into_router`]. Also returns an error if a group has several paths or no
    /// operation, an operation occurs twice or has no route, two schemas have one name, the addresses of a scheme are not
    /// URLs, or the servers of the routes have several issuers and [`Scheme::issuer`] does not say which one is meant.
    pub fn split_for_parts(
        mut self,
        mut document: OpenApi,
        scheme: &Scheme,
    ) -> Result<(Router<S>, OpenApi), ConfigError> {
        self.apply_required();
        let router = self.guard.into_router()?;
        let known = document.paths.paths.iter().next();
        if let Some((path, _)) = known.filter(|_| !self.allows_other_operations) {
            return Err(ConfigError::new(format_args!(
                "document: the operations at {path:?} have no route of the guard"
            )));
        }
        let scopes = self.items.iter().filter_map(|item| item.policy.as_ref()).flat_map(scopes);
        // What the guard's own server says of a scope counts.
        let servers = self.items.iter().map(|item| &item.server).chain([&self.server]);
        let texts = servers.flat_map(ResourceServer::scopes);
        let mut schemes = Schemes::new(scheme, || issuer(&self.server, &self.items), scopes, texts)?;
        let components = document.components.get_or_insert_default();
        for (name, schema) in self.schemas {
            if components.schemas.get(&name).is_some_and(|other| *other != schema) {
                return Err(ConfigError::new(format_args!("document: two schemas have the name {name:?}")));
            }
            components.schemas.insert(name, schema);
        }
        let has_problem = |server: &ResourceServer| server.state.responder.shape_body.is_none();
        if self.items.iter().any(|item| item.policy.is_some() && has_problem(&item.server)) {
            add_problem(components);
        }
        for Item { server, path, operations: mut item, policy } in self.items {
            match policy {
                None => describe_public(&mut item),
                Some(policy) => {
                    let security = schemes.requirements(&policy, &bindings(&server))?;
                    let has_problem = has_problem(&server);
                    operations(&mut item)
                        .for_each(|(_, operation)| apply(operation, &policy, security.clone(), has_problem));
                }
            }
            let entry = document.paths.paths.entry(documented_path(&path)).or_default();
            if methods(&item).iter().any(|method| methods(entry).contains(method)) {
                return Err(ConfigError::new(format_args!("document: an operation at {path:?} occurs twice")));
            }
            entry.merge_operations(item);
        }
        schemes.add_to(document.components.get_or_insert_default());
        Ok((router, document))
    }

    fn add(mut self, (schemas, paths, endpoint): DocumentedRoutes<S>, policy: Option<Policy>) -> Self {
        let mut paths = paths.paths.into_iter();
        let (Some((path, item)), None) = (paths.next(), paths.next()) else {
            let fault = "routes!(..) must have one path, since all its handlers answer on each of them";
            self.guard.keep_fault(Err(ConfigError::new(fault)));
            return self;
        };
        let Some(filter) = methods(&item).into_iter().filter_map(filter_of).reduce(MethodFilter::or) else {
            let fault = format_args!("path {path:?}: routes!(..) without an operation");
            self.guard.keep_fault(Err(ConfigError::new(fault)));
            return self;
        };
        let endpoint = match &policy {
            // The policy decides before the method router does: nothing that this holds escapes it.
            Some(policy) => {
                self.guard.guarded(policy.clone(), move |layer| on(filter, Guarded::new(&endpoint, &layer)))
            }
            None => Endpoint::public(self.guard.server(), on(filter, endpoint)),
        };
        self.guard = self.guard.add(&path, Methods::Only(filter), endpoint);
        self.items.push(Item { server: self.server.clone(), path, operations: item, policy });
        self.schemas.extend(schemas);
        self
    }

    /// Moves what `require` said into the operations.
    fn apply_required(&mut self) {
        for more in self.require.drain(..) {
            for policy in self.items.iter_mut().filter_map(|item| item.policy.as_mut()) {
                *policy = policy.clone().and(more.clone());
            }
        }
    }

    fn absorb(mut self, prefix: &str, mut other: Self) -> Self {
        other.apply_required();
        let below = |path: &str| if prefix.is_empty() { path.to_owned() } else { path::join(prefix, path) };
        self.guard =
            if prefix.is_empty() { self.guard.merge(other.guard) } else { self.guard.nest(prefix, other.guard) };
        self.items.extend(other.items.into_iter().map(|item| Item { path: below(&item.path), ..item }));
        self.schemas.extend(other.schemas);
        self.allows_other_operations |= other.allows_other_operations;
        self
    }
}

/// The first issuer of the servers that judge requests.
fn issuer(own: &ResourceServer, items: &[Item]) -> Result<String, ConfigError> {
    let first =
        |server: &ResourceServer| server.state.entries.load().iter().next().map(|entry| entry.iss().to_string());
    let mut guarded = items.iter().filter(|item| item.policy.is_some());
    let Some(one) = guarded.next() else { return Ok(first(own).unwrap_or_default()) };
    let issuer = first(&one.server);
    match guarded.find(|item| first(&item.server) != issuer) {
        None => Ok(issuer.unwrap_or_default()),
        Some(other) => Err(ConfigError::new(format_args!(
            "document: the tokens of {:?} are of issuer {:?}, and those of {:?} of issuer {:?}: say with Scheme::issuer which \
             one the scheme is for",
            one.path,
            issuer.unwrap_or_default(),
            other.path,
            first(&other.server).unwrap_or_default()
        ))),
    }
}

fn scopes(policy: &Policy) -> Vec<String> {
    policy.alternatives().unwrap_or_default().into_iter().flat_map(|alternative| alternative.scopes).collect()
}

/// What tokens must be bound to on every route: a key, a certificate, or either.
fn bindings(server: &ResourceServer) -> Vec<(bool, bool)> {
    let bindings = &server.state.bindings;
    if !bindings.required {
        return vec![(false, false)];
    }
    let key = bindings.proofs.iter().map(|_| (true, false));
    key.chain(bindings.certificates.iter().map(|_| (false, true))).collect()
}

/// As a document writes it: a wildcard is a parameter there.
fn documented_path(path: &str) -> String {
    path.replace("{*", "{")
}

fn filter_of(method: &str) -> Option<MethodFilter> {
    MethodFilter::try_from(http::Method::from_bytes(method.as_bytes()).ok()?).ok()
}

impl<S: Clone + Send + Sync + 'static> fmt::Display for DocumentedGuard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guard.fmt(f)
    }
}

impl<S: Clone + Send + Sync + 'static> fmt::Debug for DocumentedGuard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentedGuard").field("guard", &self.guard).finish_non_exhaustive()
    }
}
