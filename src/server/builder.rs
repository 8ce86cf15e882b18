//! From settings to a server: everything that can be wrong is found here.

mod announced;
mod binding;
mod client;
mod limits;
mod sources;
mod watching;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderMap;

use announced::Announced;
use limits::Limits;

use super::ResourceServer;
use super::check::{check_range, check_resource};
use super::entry::EntrySettings;
use crate::change::{Changes, FileLog, FileSettings, Follower, Log, Parts};
use crate::decision::Decider;
use crate::engine::{Agreements, Live, Observers, Permits, State};
use crate::error::ConfigError;
use crate::http::HttpClient;
use crate::http::url::PlainHttp;
use crate::issuer::Issuer;
use crate::issuer::keys::{Generation, RefreshSettings, Watcher};
use crate::issuer::{Lasting, ORGANIZATION_URN, Profile, TrustedIssuers};
use crate::lease::Leases;
use crate::meter::Meter;
use crate::permissions::{Conversations, LivePermissions};
use crate::rejection::Rejection;
use crate::respond::{RejectionBody, Responder, ShapeBody};
use crate::scoped::Others;
use crate::time::{Clock, SystemClock};
use crate::token::binding::BindingSettings;
use crate::token::verify::VerifiedTokens;
use crate::token::{Introspection, IssuerId};
use crate::trace::Hook;

const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);
const MAX_LEEWAY: Duration = Duration::from_secs(5 * 60);
const DEFAULT_STALE: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_STALE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Builds a [`ResourceServer`]. Made by [`ResourceServer::builder`].
///
/// ```
/// use std::time::Duration;
/// use orgate::ResourceServer;
///
/// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
///     .resource("https://api.example.com/billing") // for resource_at("https://api.example.com/billing")
///     .resource_metadata("https://api.example.com/.well-known/oauth-protected-resource")
///     .leeway(Duration::from_secs(10))
///     .serve_stale_keys_for(Duration::from_secs(3600))
///     .build()?;
/// # _ = server;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[must_use]
pub struct Builder {
    issuers: Vec<Issuer>,
    resources: Vec<String>,
    leeway: Duration,
    limits: Limits,
    serve_stale_keys_for: Duration,
    announced: Announced,
    rejection_body: Option<ShapeBody>,
    change_log: Option<Arc<dyn Log>>,
    change_file: Option<FileSettings>,
    decider: Option<Decider>,
    clock: Arc<dyn Clock>,
    client: HttpClient,
    allow_http: bool,
    watcher: Option<Watcher>,
    grpc: bool,
    pub(crate) observers: Observers,
    pub(crate) meter: Meter,
    trace: Hook,
    introspection: Option<Introspection>,
    bindings: BindingSettings,
}

impl Builder {
    pub(super) fn new(issuer: Issuer, resource: String) -> Self {
        Self {
            issuers: vec![issuer],
            resources: vec![resource],
            leeway: DEFAULT_LEEWAY,
            limits: Limits::default(),
            serve_stale_keys_for: DEFAULT_STALE,
            announced: Announced::default(),
            rejection_body: None,
            change_log: None,
            change_file: None,
            decider: None,
            clock: Arc::new(SystemClock::new()),
            client: HttpClient::new(),
            allow_http: false,
            watcher: None,
            grpc: true,
            observers: Observers::default(),
            meter: Meter::default(),
            trace: Hook::default(),
            introspection: None,
            bindings: BindingSettings::default(),
        }
    }

    /// Adds another issuer entry. Each policy must then state `issued_by(name)` or `any_issuer()`; `guard.require(..)`
    /// states it for all routes.
    pub fn issuer(mut self, issuer: impl Into<Issuer>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// Adds another resource indicator of this server, for [`resource_at`](crate::policy::resource_at). It applies to
    /// entries without a `resource(..)` of their own.
    pub fn resource(mut self, indicator: impl Into<String>) -> Self {
        self.resources.push(indicator.into());
        self
    }

    /// Sets how far clocks may differ when `exp`, `nbf` and `iat` are checked. Default: 60 s; five minutes at most.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sets how long stale keys are used while the issuer cannot be reached. Default: 24 h; zero is allowed, 30 days at
    /// most. Stale keys verify the tokens that they signed; a token with an unknown `kid` is still rejected.
    pub fn serve_stale_keys_for(mut self, duration: Duration) -> Self {
        self.serve_stale_keys_for = duration;
        self
    }

    /// Shapes the body of rejections. It is given the rejection and the request's headers; status and headers of the
    /// answer, the challenge among them, are set afterwards and cannot be changed.
    ///
    /// Rejections by extractors, an `Authorizer` and webhook endpoints are shaped too, on public routes of a guard as well;
    /// those of [`ResourceServer::verify`] with empty headers, unless
    /// [`ResourceServer::response`] makes the response. An extractor behind neither a guard nor a
    /// [`require`](ResourceServer::require) layer knows no server, and its 500 has the default body. Hidden organizations look
    /// the same to the hook, too, and a gRPC call has no body. The 404 and 405 of a router are no rejections:
    /// [the guide](crate::guide::routing) shows how they get the same body.
    ///
    /// ```
    /// use orgate::respond::RejectionBody;
    /// use orgate::ResourceServer;
    /// use serde_json::json;
    ///
    /// # fn main() -> Result<(), orgate::ConfigError> {
    /// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
    ///     .rejection_body(|rejection, _request| {
    ///         RejectionBody::json(&json!({
    ///             "message": rejection.description(),
    ///             "hint": rejection.remediation().as_str(),
    ///         }))
    ///     })
    ///     .build()?;
    /// # _ = server;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rejection_body(
        mut self,
        hook: impl Fn(&Rejection, &HeaderMap) -> RejectionBody + Send + Sync + 'static,
    ) -> Self {
        self.rejection_body = Some(Arc::new(hook));
        self
    }

    /// Rejects gRPC calls with a plain HTTP status too, instead of HTTP 200 and a `grpc-status`.
    ///
    /// Without it, a `POST` over HTTP/2 with content type `application/grpc`, `application/grpc-web` or
    /// `application/grpc-web-text` is rejected with HTTP 200. It must be used in a service that a proxy asks whether to let a
    /// request in (nginx `auth_request`, Traefik ForwardAuth, Envoy `ext_authz`): there 200 means yes.
    pub fn disable_grpc_responses(mut self) -> Self {
        self.grpc = false;
        self
    }

    /// Sets the source of time. Default: the system's clocks.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Allows issuers and key sets at `http://`. Whoever can change that traffic can sign tokens. (Loopback needs no
    /// permission.)
    pub fn dangerous_allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// Checks all settings. Does no I/O, except that it opens the [file of changes](Self::change_file) if there is one.
    ///
    /// # Errors
    ///
    /// Returns the first invalid setting with its value.
    pub fn build(mut self) -> Result<ResourceServer, ConfigError> {
        check_range("leeway", self.leeway, MAX_LEEWAY)?;
        check_range("serve_stale_keys_for", self.serve_stale_keys_for, MAX_STALE)?;
        self.limits.check()?;
        for resource in &self.resources {
            check_resource(resource, Profile::UntypedJwt, ORGANIZATION_URN)?;
        }
        if let Some(ask) = self.introspection.take() {
            let [only] = &mut *self.issuers else {
                return Err(ConfigError::new("introspection, and several issuers: set introspection on one of them"));
            };
            only.introspection = Some(ask);
        }
        let plain = if self.allow_http { PlainHttp::Anywhere } else { PlainHttp::OnLoopback };
        let bindings = self.bindings.build(self.leeway, plain)?;
        let challenge = self.announced.challenge(&self.resources, &self.issuers, &bindings, plain)?;
        let scopes = self.announced.catalogue()?;
        let settings = EntrySettings {
            resources: self.resources,
            leeway: self.leeway,
            life: RefreshSettings {
                stale_for: self.serve_stale_keys_for,
                watcher: self.watcher,
                generation: Generation::default(),
                meter: self.meter.clone(),
            },
            allow_http: self.allow_http,
            max_issuers: self.limits.max_issuers,
            clock: self.clock.clone(),
            client: self.client,
            has_others: Others::default(),
            documents: challenge.documents.clone(),
        };
        let entries = self.issuers.iter().try_fold(TrustedIssuers::default(), |entries, issuer| {
            let entry = settings.entry(issuer, IssuerId::unique(), Lasting::default())?;
            settings.add(&entries, Arc::new(entry))
        })?;
        if let Some(decider) = &self.decider {
            let names: Vec<&str> = entries.iter().map(|entry| &*entry.rules.name).collect();
            decider.known_issuers().check(&names)?;
            decider.measured_by(&self.meter);
        }
        let entries = Arc::new(ArcSwap::from_pointee(entries));
        // Last, so that no setting is wrong any more when it is made.
        let file = self.change_file.map(FileLog::open).transpose()?.map(|file| Arc::new(file) as Arc<dyn Log>);
        let permissions = LivePermissions::new(self.limits.live_permissions, self.clock.clone());
        let permissions = Arc::new(permissions.measured_by(self.meter.clone()));
        let leases = Arc::new(Leases::new(
            self.limits.leases,
            self.clock.clone(),
            permissions.clone(),
            settings.life.generation.clone(),
        ));
        let decisions = self.decider.iter().map(|decider| Arc::new(decider.clone()) as Arc<dyn Follower>);
        let changes = Changes::new(Parts {
            entries: entries.clone(),
            bounds: self.limits.revocations,
            // In this order: what a lease asks for must not be what was said before.
            followers: decisions.chain([leases.clone() as Arc<dyn Follower>]).collect(),
            clock: self.clock.clone(),
            leeway: self.leeway,
            generation: settings.life.generation.clone(),
            log: self.change_log,
            file,
        });
        let state = State {
            verified: VerifiedTokens::new(self.limits.token_cache_bytes, settings.life.generation.clone()),
            permits: Permits::new(self.limits.permits),
            changes: Arc::new(changes),
            decider: self.decider,
            live: Live { permissions, conversations: Conversations::new() },
            leases,
            clock: self.clock,
            entries,
            max_token_bytes: self.limits.max_token_bytes,
            max_wait: self.limits.max_wait,
            shadow_wait: self.limits.shadow_wait,
            agreements: Agreements::default(),
            bindings,
            responder: Responder { challenge, shape_body: self.rejection_body, grpc: self.grpc },
            scopes,
            observers: self.observers,
            meter: self.meter,
            trace: self.trace,
        };
        Ok(ResourceServer { state: Arc::new(state), settings: Arc::new(settings) })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("issuers", &self.issuers)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
