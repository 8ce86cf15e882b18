//! The server: the handle to one API, its builder, and the handles of its issuers.

mod builder;
mod changes;
mod check;
mod entry;
mod exchange;
mod forget;
mod handle;
mod metadata;
mod reject;
mod usage;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

pub use builder::Builder;
pub use changes::LogStatus;
pub use handle::{ChangeError, IssuerHandle, IssuerRemoved};
pub use usage::{CallUsage, Usage};

use crate::engine::{Requirement, State};
use crate::error::ConfigError;
use crate::issuer::Issuer;
use crate::issuer::IssuerRules;
use crate::issuer::keys;
use crate::issuer::keys::{KeySetStatus, NotReady};
use crate::issuer::{Lasting, TrustedIssuer};
use crate::permissions;
use crate::policy::{CompiledPolicy, Policy};
use crate::respond::Wanted;
use crate::tower::RequireLayer;
use entry::EntrySettings;

/// This API as an OAuth 2.0 resource server: its trusted issuers, its resource identifiers, and their keys.
///
/// A cheap clone; every layer is made from it and shares its keys. [`builder`](Self::builder) does no I/O and starts
/// nothing: keys are fetched on first use, or by [`ready`](Self::ready).
///
/// Whatever must be waited for needs a tokio runtime with timers (`enable_time` or `enable_all`, which `#[tokio::main]` has): on a
/// runtime without them the first wait panics. Without a runtime, requests are judged by what is known already.
///
/// ```
/// use orgate::ResourceServer;
///
/// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
/// # _ = server;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ResourceServer {
    pub(crate) state: Arc<State>,
    settings: Arc<EntrySettings>,
}

impl ResourceServer {
    /// Returns the settings for the issuer of the access tokens (`https://tenant.logto.app/oidc` for Logto) and the
    /// resource indicator of this API, exactly as registered there.
    ///
    /// The issuer is its URL, or an [`Issuer`] with settings. Both strings are compared with tokens character by
    /// character.
    pub fn builder(issuer: impl Into<Issuer>, resource: impl Into<String>) -> Builder {
        Builder::new(issuer.into(), resource.into())
    }

    /// Returns a layer that requires `policy` of every request.
    ///
    /// ```
    /// # use orgate::policy::resource;
    /// # use orgate::ResourceServer;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
    /// let layer = server.require(resource().scope("read:products"))?;
    /// # let _: orgate::tower::RequireLayer = layer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// An existing axum router takes it by `.route_layer(..)`; `.layer(..)` would also judge paths that do
    /// not exist. A layer does not know its route: a `path("org")` that the route lacks is a 500 and a line in the log.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if the policy is faulty, or does not fit the issuers and indicators of this server.
    pub fn require(&self, policy: Policy) -> Result<RequireLayer, ConfigError> {
        self.requirement(policy).map(RequireLayer::new)
    }

    /// Returns a requirement that decides requests by `policy`, outside of Tower services: in a gateway, a message
    /// consumer, or a WebSocket that is judged again.
    ///
    /// ```
    /// # use orgate::{policy::{organization, path}, organization::PathParams, ResourceServer};
    /// # async fn consume(token: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
    /// let invite = server.requirement(organization(path("org")).scope("invite:member"))?;
    ///
    /// let request = http::Request::builder().header("authorization", format!("Bearer {token}")).body(())?;
    /// let (mut parts, ()) = request.into_parts();
    /// parts.extensions.insert(PathParams::new([("org", "acme")]));
    /// let grant = invite.authorize(&mut parts).await?;
    /// # _ = grant;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if the policy is faulty, or does not fit the issuers and indicators of this server.
    pub fn requirement(&self, policy: Policy) -> Result<Requirement, ConfigError> {
        let requirement = self.compile(policy, None, |wanted| wanted)?;
        if let Some(argument) = requirement.rules().arguments().next() {
            return Err(ConfigError::new(format_args!(
                "policy ({}): argument({argument:?}) belongs to a tool of an MCP server: see mcp::Tools",
                requirement.policy()
            )));
        }
        Ok(requirement)
    }

    /// What decides about one operation of several on one route. `change` makes of what its challenges would ask for what they
    /// ask for.
    pub(crate) fn operation(
        &self,
        policy: Policy,
        name: &str,
        change: impl FnOnce(Wanted) -> Wanted,
    ) -> Result<Requirement, ConfigError> {
        self.compile(policy, Some(name.into()), change).map_err(|fault| fault.at(name))
    }

    fn compile(
        &self,
        policy: Policy,
        operation: Option<Arc<str>>,
        change: impl FnOnce(Wanted) -> Wanted,
    ) -> Result<Requirement, ConfigError> {
        let entries = self.state.entries.load();
        let known: Vec<&IssuerRules> = entries.iter().map(|entry| &entry.rules).collect();
        let rules = self.rules(policy)?;
        let indicators = match &*rules.indicators(&known) {
            [] => self.settings.resources.first().map(|first| Arc::from(first.as_str())).into_iter().collect(),
            named => named.to_vec(),
        };
        let any_issuer = rules.takes_any_issuer();
        let wanted = change(Wanted { scopes: rules.first_scopes(), indicators, any_issuer, ..Wanted::default() });
        Ok(Requirement::new(self.state.clone(), rules, wanted, operation))
    }

    /// What judges by `policy`, without what surrounds a decision.
    pub(crate) fn rules(&self, policy: Policy) -> Result<CompiledPolicy, ConfigError> {
        let entries = self.state.entries.load();
        let known: Vec<&IssuerRules> = entries.iter().map(|entry| &entry.rules).collect();
        let rules = CompiledPolicy::compile(policy, &known)?;
        let judged = || [Some(&rules), rules.shadow()].into_iter().flatten();
        if judged().any(CompiledPolicy::asks_decisions) && self.state.decider.is_none() {
            return Err(ConfigError::new(format_args!("policy ({}): the server has no decision point", rules.text())));
        }
        for scope in judged().flat_map(CompiledPolicy::scopes) {
            self.state.scopes.check(scope).map_err(|fault| fault.at(format_args!("policy ({})", rules.text())))?;
        }
        Ok(rules)
    }

    /// Returns the scopes of [`Builder::scopes`], each with what it permits.
    pub fn scopes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.state.scopes.iter()
    }

    /// Returns the handle of the issuer entry with this name.
    ///
    /// The handle stays with the entry, whatever it is called later; an entry that is added under the same name after this
    /// one was removed is another one.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if there is no entry of this name.
    pub fn issuer(&self, name: &str) -> Result<IssuerHandle, ConfigError> {
        let entries = self.state.entries.load();
        if let Some(entry) = entries.named(name) {
            Ok(IssuerHandle::new(self, entry))
        } else {
            let known: Vec<&str> = entries.iter().map(|entry| &*entry.rules.name).collect();
            Err(ConfigError::new(format_args!("issuer {name:?}: this server has {known:?}")))
        }
    }

    /// Returns the handles of all issuer entries, in the order in which they were added.
    #[must_use]
    pub fn issuers(&self) -> Vec<IssuerHandle> {
        self.state.entries.load().iter().map(|entry| IssuerHandle::new(self, entry)).collect()
    }

    /// Adds a trusted issuer at run time and returns its handle.
    ///
    /// Its tokens are accepted only where a policy says `any_issuer()`, or `issued_by` its name. To name an entry that is not
    /// there yet is a [`ConfigError`]. A policy that says neither means the single entry there was when it was made.
    ///
    /// ```
    /// # use orgate::policy::{any_issuer, resource};
    /// # use orgate::{Issuer, ResourceServer};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").build()?;
    /// let every_tenant = server.require(resource().and(any_issuer()))?;
    /// let acme = server.add_issuer(Issuer::new("https://acme.example/oidc").name("acme"))?;
    /// let acme_only = server.require(resource().issued_by("acme"))?;
    /// acme.remove()?;
    /// # _ = (every_tenant, acme_only);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the first invalid setting. So are a name and an `iss` value that are taken, and an entry beyond
    /// [`Builder::max_issuers`]. Plain http needs [`Builder::dangerous_allow_http`] here, on loopback too: tenants may choose
    /// where their issuer is. With [`Builder::metadata`], so is a resource indicator of its own by which no metadata document
    /// can be found.
    pub fn add_issuer(&self, issuer: impl Into<Issuer>) -> Result<IssuerHandle, ConfigError> {
        let issuer = issuer.into();
        self.settings.check_added(&issuer)?;
        if let Some(decider) = &self.state.decider {
            decider
                .known_issuers()
                .check_added(issuer.name.as_ref().or(issuer.urls.first()).map_or("", String::as_str))?;
        }
        let iss = issuer.urls.first().map_or("", String::as_str);
        let changes = &self.state.changes;
        loop {
            // Made outside of every lock; facts about it may be loaded meanwhile.
            let id = changes.identity(iss);
            let entry = Arc::new(self.settings.entry(&issuer, id, Lasting::default())?);
            let handle = IssuerHandle::new(self, &entry);
            if let Some(outcome) = changes.add(iss, id, |entries| self.settings.add(entries, entry)) {
                return outcome.map(|()| handle);
            }
        }
    }

    /// Checks readiness: fetches the keys of every issuer that has none or only stale ones, unless it did so just now.
    /// Then it asks every permission source that has not responded yet whether it could be asked.
    ///
    /// For a readiness probe, and for those who want to fail at boot rather than at the first request. It is `Ok` while stale
    /// keys serve.
    ///
    /// Waits two seconds for each issuer at most, all of them at once, and five for their permission sources.
    ///
    /// # Errors
    ///
    /// Returns an error if an issuer has no keys by then, if a permission source cannot be asked (because of wrong
    /// credentials, for example), or if the content of the [change log](Builder::change_log) is unknown. Requests
    /// continue to try.
    pub fn ready(&self) -> impl Future<Output = Result<(), NotReady>> + Send + use<> {
        let entries = self.state.entries.load();
        let keys = entries.iter().map(|entry| (entry.rules.name.clone(), entry.keys.clone())).collect();
        let source = |entry: &Arc<TrustedIssuer>| Some((entry.rules.name.clone(), entry.permissions.clone()?));
        let sources = entries.iter().filter_map(source).collect();
        let changes = self.state.changes.clone();
        async move {
            keys::all_ready(keys).await?;
            permissions::all_ready(sources).await?;
            if changes.ready().await { Ok(()) } else { Err(NotReady::without_log()) }
        }
    }

    /// Ends all [leases](crate::lease) and rejects new ones. Call it before a graceful shutdown, which would otherwise
    /// wait for long connections until their tokens expire. Clients are told to reconnect within some seconds, each
    /// after a different time. Requests are judged as before.
    ///
    /// ```no_run
    /// # async fn serve(server: orgate::ResourceServer, app: axum::Router) -> Result<(), std::io::Error> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    /// axum::serve(listener, app)
    ///     .with_graceful_shutdown(async move {
    ///         _ = tokio::signal::ctrl_c().await;
    ///         server.close();
    ///     })
    ///     .await
    /// # }
    /// ```
    pub fn close(&self) {
        self.state.leases.close();
    }

    /// Returns the state of each issuer entry's key set, for a dashboard or a test. It fetches nothing: a readiness
    /// probe should await [`ready`](Self::ready) instead.
    #[must_use]
    pub fn keys(&self) -> Vec<KeySetStatus> {
        self.state.entries.load().iter().map(|entry| entry.keys.status(&entry.rules.name)).collect()
    }
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServer").field("state", &self.state).field("settings", &self.settings).finish()
    }
}
