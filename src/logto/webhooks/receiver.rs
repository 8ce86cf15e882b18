//! What happened at an issuer, and what this server makes of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};

use super::changes::taking_away;
use super::delivery::{Delivery, UNREAD, count};
use super::event::Event;
use super::signing::SigningKeys;
use super::verify::{Signature, WebhookError};
use crate::ResourceServer;
use crate::rejection::Rejection;
use crate::respond::Wanted;
use crate::server::{IssuerHandle, IssuerRemoved};

/// The maximum age of an event at its arrival. An older event may be a replay, so it can only take rights away.
pub const MAX_AGE: Duration = Duration::from_secs(5 * 60);

type OnEvent = Arc<dyn Fn(&Event) + Send + Sync>;
type Resolve = Arc<dyn Fn(&Parts) -> Option<(IssuerHandle, SigningKeys)> + Send + Sync>;

impl IssuerHandle {
    /// Creates the receiver for webhooks of this entry, signed with one of these keys.
    ///
    /// Once the entry was removed, deliveries are answered with 410, whatever entry has its name then.
    pub fn webhooks(&self, keys: SigningKeys) -> Webhooks {
        let handle = self.clone();
        Webhooks::resolve(move |_| Some((handle.clone(), keys.clone()))).rejections_of(self.server())
    }

    /// Applies a verified event: rejects the tokens that it revokes, and drops cached answers that it makes stale.
    ///
    /// Events may be applied again and in any order, and may be of any age. For those that arrive in another way than by
    /// [`webhooks`](Self::webhooks).
    ///
    /// # Errors
    ///
    /// Returns [`IssuerRemoved`] if the entry was removed.
    pub fn apply(&self, event: &Event) -> Result<(), IssuerRemoved> {
        self.apply_event(event, false)
    }

    pub(super) fn apply_event(&self, event: &Event, only_takes_away: bool) -> Result<(), IssuerRemoved> {
        if event.names_nobody() {
            tracing::warn!(target: "orgate", issuer = self.issuer(), event = event.name(), "the webhook names no subject");
        }
        let changes = event.changes(self.issuer()).into_iter();
        self.apply_all(changes.map(|change| if only_takes_away { taking_away(&change) } else { change }))
    }
}

/// Receives the webhooks of one issuer entry, or of several. Made by [`IssuerHandle::webhooks`] and by
/// [`resolve`](Self::resolve).
///
/// With axum it becomes a route by [`endpoint`](Self::endpoint); other frameworks call [`begin`](Self::begin) and
/// [`Delivery::finish`].
///
/// ```
/// use orgate::ResourceServer;
/// use orgate::logto::webhooks::SigningKeys;
///
/// let issuer = "https://tenant.logto.app/oidc";
/// let server = ResourceServer::builder(issuer, "https://api.example.com").build()?;
/// let webhooks = server
///     .issuer(issuer)?
///     .webhooks(SigningKeys::new(["the hook's signing key"])?)
///     .on_event(|event| println!("{}", event.name()));
/// # _ = webhooks;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Webhooks {
    resolve: Resolve,
    on_event: Vec<OnEvent>,
    stale: Arc<AtomicU64>,
    rejects_as: Option<ResourceServer>,
}

impl Webhooks {
    /// Creates a receiver for several entries, chosen by the head of the request: its path, host or headers. Entries
    /// may be added later. If `resolve` returns `None`, the response is 404.
    ///
    /// Nothing of the request is verified when `resolve` is called: it is a look-up, and the keys decide.
    ///
    /// ```
    /// use orgate::logto::webhooks::{SigningKeys, Webhooks};
    /// use orgate::ResourceServer;
    ///
    /// # fn signing_key_of(_: &str) -> Option<SigningKeys> { None }
    /// fn webhooks(server: ResourceServer) -> Webhooks {
    ///     // POST /webhooks/{tenant}
    ///     Webhooks::resolve(move |request| {
    ///         let tenant = request.uri.path().rsplit('/').next()?;
    ///         Some((server.issuer(tenant).ok()?, signing_key_of(tenant)?))
    ///     })
    /// }
    /// ```
    pub fn resolve(resolve: impl Fn(&Parts) -> Option<(IssuerHandle, SigningKeys)> + Send + Sync + 'static) -> Self {
        Self { resolve: Arc::new(resolve), on_event: Vec::new(), stale: Arc::default(), rejects_as: None }
    }

    /// Sets the server whose body of rejections a delivery for an unknown entry receives
    /// ([`Builder::rejection_body`](crate::server::Builder::rejection_body)). Deliveries for a known entry always
    /// receive the body of the entry's server.
    pub fn rejections_of(mut self, server: &ResourceServer) -> Self {
        self.rejects_as = Some(server.clone());
        self
    }

    /// Calls `tell` with each verified event after it was applied, including events that orgate ignores and excluding
    /// those older than [`MAX_AGE`]. It is called while the delivery waits, so it must not block. An event may arrive
    /// twice.
    pub fn on_event(mut self, tell: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on_event.push(Arc::new(tell));
        self
    }

    /// Checks the head of a delivery, before its body is read.
    ///
    /// # Errors
    ///
    /// Returns a [`WebhookError`] if it is for no entry, or for one that was removed, and if the signature is not there
    /// exactly once.
    pub fn begin(&self, request: &Parts) -> Result<Delivery<'_>, WebhookError> {
        self.begin_for(request).map_err(|(_, error)| error)
    }

    /// As [`begin`](Self::begin); an error goes with the handle of the entry that the delivery is for.
    pub(crate) fn begin_for(&self, request: &Parts) -> Result<Delivery<'_>, (Option<IssuerHandle>, WebhookError)> {
        let Some((handle, keys)) = (self.resolve)(request) else {
            return Err((None, WebhookError::UnknownRecipient));
        };
        if handle.is_removed() {
            count(&handle, UNREAD, WebhookError::Removed.as_str());
            return Err((Some(handle), WebhookError::Removed));
        }
        match Signature::read(&request.headers) {
            Ok(signature) => Ok(Delivery::new(self, handle, keys, signature)),
            Err(error) => {
                count(&handle, UNREAD, error.as_str());
                Err((Some(handle), error))
            }
        }
    }

    /// Returns the response to a delivery that was not accepted, with the body of the server's other rejections: of the server
    /// whose handle made this, or of [`rejections_of`](Self::rejections_of). For frameworks other than axum.
    #[must_use]
    pub fn response(&self, error: WebhookError, request: &Parts) -> Response<Bytes> {
        self.reject(None, error, request).into_response()
    }

    /// The rejection of a delivery, in the form that the rest of the API uses.
    pub(crate) fn reject(&self, handle: Option<&IssuerHandle>, error: WebhookError, request: &Parts) -> Rejection {
        let rejection = error.rejection();
        match handle.map(IssuerHandle::server).or(self.rejects_as.as_ref()) {
            Some(server) => server.state.complete(rejection, &Wanted::default(), request),
            None => rejection,
        }
    }

    /// Verifies a whole delivery, applies it, and calls [`on_event`](Self::on_event): [`begin`](Self::begin) and
    /// [`Delivery::finish`] in one. A resolver is shown the headers only.
    ///
    /// # Errors
    ///
    /// Same as [`verify`](super::verify) and [`begin`](Self::begin). Nothing was applied then.
    pub fn receive(&self, headers: &HeaderMap, raw_body: &[u8]) -> Result<Event, WebhookError> {
        let (mut request, ()) = Request::new(()).into_parts();
        request.headers.clone_from(headers);
        self.begin(&request)?.finish(raw_body)
    }

    /// Returns how many deliveries were older than [`MAX_AGE`].
    #[must_use]
    pub fn stale_deliveries(&self) -> u64 {
        self.stale.load(Ordering::Relaxed)
    }

    pub(super) fn count_stale(&self) {
        self.stale.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn tell(&self, event: &Event) {
        for tell in &self.on_event {
            tell(event);
        }
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("stale_deliveries", &self.stale_deliveries()).finish_non_exhaustive()
    }
}
