//! A feed of one server: opens connections, and answers questions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::body::FeedBody;
use super::check::check_policy;
use super::connection::{Connection, Pace};
use super::event;
use super::look::{Found, Last, Viewer};
use super::settings::PermissionFeed;
use super::shown::Shown;
use super::slots::Slots;
use super::state::seconds;
use super::target::{FindTarget, asked, read_by};
use crate::ResourceServer;
use crate::change::Epoch;
use crate::engine::{Grant, Requirement, next_nonce};
use crate::error::ConfigError;
use crate::lease::LeaseSettings;
use crate::policy::{CompiledPolicy, scope};
use crate::rejection::Rejection;
use crate::respond::plain;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// When a client that found no place may come again.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(30);

/// A feed of permission changes. Made by [`ResourceServer::permission_feed`].
///
/// A cheap clone. A guard has a [route](crate::Guard::permission_feed) for it; any other face calls
/// [`events`](Self::events) and [`state`](Self::state).
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    shown: Arc<Shown>,
    pace: Pace,
    most_bound: Option<Duration>,
    slots: Arc<Slots>,
    find: Option<FindTarget>,
}

impl ResourceServer {
    /// Makes a feed of permission changes: see [`feed`](crate::feed).
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if the policy is faulty or not one that a feed can have, there is no scope or there are too
    /// many, or a limit is out of its range.
    pub fn permission_feed(&self, settings: PermissionFeed) -> Result<Feed, ConfigError> {
        settings.check()?;
        let requirement = self.requirement(settings.policy.clone())?;
        check_policy(requirement.rules(), &settings.policy)?;
        let mut scopes: Vec<(Box<str>, CompiledPolicy)> = Vec::new();
        for name in &settings.scopes {
            if scopes.iter().all(|(known, _)| **known != **name) {
                scopes.push((name.as_str().into(), self.rules(settings.policy.clone().and(scope(name)))?));
            }
        }
        let slots = Slots::new(settings.most, settings.most_of_subject);
        let PermissionFeed { heartbeat, slow_after, most_bound, find, .. } = settings;
        let (shown, pace) = (Arc::new(Shown { requirement, scopes }), Pace { heartbeat, slow_after });
        Ok(Feed(Arc::new(Inner { shown, pace, most_bound, slots, find })))
    }
}

impl Feed {
    /// Returns what the feed requires of a request.
    #[must_use]
    pub fn requirement(&self) -> &Requirement {
        &self.0.shown.requirement
    }

    /// Returns how many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.slots.taken()
    }

    /// Responds with the stream of events (`text/event-stream`): the state first, then each difference. A request that is
    /// rejected receives what a rejected request on any route receives.
    ///
    /// For `path(..)` in the policy, the request needs [`PathParams`](crate::organization::PathParams), as with
    /// [`Requirement::authorize`].
    pub async fn events(&self, request: &mut Parts) -> Response<FeedBody> {
        let since = Epoch::latest();
        let response = match self.viewer(request).await {
            Ok(viewer) => self.connect(viewer, since, request),
            Err(rejection) => Err(rejection),
        };
        response.unwrap_or_else(|rejection| self.rejected(rejection, request))
    }

    /// Responds with the state alone, as JSON, for clients without streams: with an entity tag, and 304 where the client has
    /// that state (`If-None-Match`).
    pub async fn state(&self, request: &mut Parts) -> Response<FeedBody> {
        let since = Epoch::latest();
        let mut viewer = match self.viewer(request).await {
            Ok(viewer) => viewer,
            Err(rejection) => return self.rejected(rejection, request),
        };
        let ids = request.headers.get(IF_NONE_MATCH).and_then(|ids| ids.to_str().ok());
        let last = ids.map_or(Last::Nothing, |ids| Last::Ids(ids.into()));
        let found = viewer.look(since, &last, request.method != Method::HEAD).await;
        let tagged = |status, body: String, id: &str| {
            let mut response = plain(status, body);
            response.headers_mut().extend(HeaderValue::try_from(format!("\"{id}\"")).ok().map(|tag| (ETAG, tag)));
            response
        };
        let mut response = match found {
            Found::State { json, id, .. } => tagged(StatusCode::OK, json, &id),
            Found::Unchanged { id, .. } => tagged(StatusCode::NOT_MODIFIED, String::new(), &id),
            Found::Undecided(after) => {
                let after = after.as_secs().max(1);
                let mut response = plain(StatusCode::OK, event::undecided(after, seconds(&viewer.token)));
                response.headers_mut().insert(RETRY_AFTER, after.into());
                response
            }
            Found::Over(rejection) => {
                let rejection = self.requirement().refuse(rejection, request);
                return self.rejected(rejection, request);
            }
        };
        if response.status() == StatusCode::OK {
            response.headers_mut().insert(CONTENT_TYPE, JSON);
        }
        finish(response.headers_mut(), request);
        response.map(FeedBody::full)
    }

    async fn viewer(&self, request: &mut Parts) -> Result<Viewer, Rejection> {
        let grant = self.requirement().authorize(request).await?;
        let refused = |rejection| self.requirement().refuse(rejection, request);
        let Some(token) = grant.token().cloned() else {
            return Err(refused(Rejection::misconfigured("a feed without a token")));
        };
        let asked = asked(request, self.0.find.as_ref()).map_err(refused)?;
        let mut seen = request.clone();
        seen.extensions.remove::<Grant>();
        let rules = self.requirement().rules();
        if rules.reads_anything() {
            seen.headers.remove(AUTHORIZATION);
        } else {
            seen.headers = read_by(rules, &request.headers);
        }
        Ok(Viewer { shown: self.0.shown.clone(), grant, token, request: seen, asked })
    }

    fn connect(&self, viewer: Viewer, since: Epoch, request: &Parts) -> Result<Response<FeedBody>, Rejection> {
        let refused = |rejection| self.requirement().refuse(rejection, request);
        let slot = self.0.slots.take(&viewer.token);
        let slot = slot.map_err(|full| refused(Rejection::unavailable(FULL_RETRY_AFTER, full.detail())))?;
        let id = request.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
        let last = id.map_or(Last::Nothing, |id| Last::Ids(id.into()));
        let lease = self.lease_settings(request);
        let connection = Connection::open(viewer, last, since, &lease, slot, self.0.pace)?;
        let mut response = plain(StatusCode::OK, Bytes::new());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, EVENT_STREAM);
        // nginx collects a response otherwise.
        headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        finish(headers, request);
        Ok(response.map(|_| FeedBody::events(connection)))
    }

    fn rejected(&self, rejection: Rejection, request: &Parts) -> Response<FeedBody> {
        self.requirement().response(rejection, request).map(FeedBody::full)
    }

    /// How its connections are watched.
    fn lease_settings(&self, request: &Parts) -> LeaseSettings {
        let settings = LeaseSettings::new().request(request);
        match self.0.most_bound {
            Some(most) => settings.bound_up_to(most),
            None => settings,
        }
    }
}

/// What every response of a feed has.
fn finish(headers: &mut HeaderMap, request: &Parts) {
    headers.insert(CACHE_CONTROL, NO_STORE);
    next_nonce(request).add_to(headers);
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes = self.0.shown.names();
        f.debug_struct("Feed").field("requirement", self.requirement()).field("scopes", &scopes).finish_non_exhaustive()
    }
}
