//! Connections and responses that outlive the decision: they end with the right that they rest on.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use orgate::engine::Grant;
use orgate::lease::{Ended, Lease, LeaseSettings, LeasedBody};

use crate::gateway::{Gateway, Route};
use crate::net::Body;
use crate::retired::{Retired, Stage};

/// What an upstream has done is not rejected because its response cannot be watched as closely as the policy says.
const MOST_BOUND: Duration = Duration::from_secs(24 * 60 * 60);

/// What responses that go on without an end are made of.
const ENDLESS: [&[u8]; 2] = [b"text/event-stream", b"multipart/x-mixed-replace"];
/// What responses are made of that go on without an end or have one.
const STREAMED: [&[u8]; 3] = [b"application/grpc", b"application/x-ndjson", b"application/json-seq"];

/// What a request was let in by, for as long as it takes.
pub(super) struct Right {
    grant: Option<Grant>,
    settings: LeaseSettings,
    retired: Retired,
}

impl Right {
    /// Takes note of the request where it may be judged again: that costs a copy.
    pub(super) fn new(gateway: &Gateway, route: &Route, grant: Option<Grant>, head: &Parts, is_upgrade: bool) -> Self {
        let is_kept = grant.is_some() && (is_upgrade || gateway.asks_others || wants_endless(&head.headers));
        let settings = if is_kept { LeaseSettings::new().request(head) } else { LeaseSettings::new() };
        let settings = if is_upgrade { settings } else { settings.bound_up_to(MOST_BOUND) };
        Self { grant, settings, retired: route.retired.clone() }
    }

    /// Watches the right from now on. `None` on a public route.
    ///
    /// # Errors
    ///
    /// Returns the response that the client should receive, for the request that was judged.
    pub(super) fn watch(&self, head: &Parts) -> Result<Option<Lease>, Box<Response<Bytes>>> {
        let Some(grant) = &self.grant else { return Ok(None) };
        let refused = |rejection| Box::new(grant.requirement().response(rejection, head));
        grant.lease_with(&self.settings).map(Some).map_err(refused)
    }

    /// Waits until the route is changed or gone, or the gateway stops and is at this stage: a client that comes again is judged
    /// by what is there then.
    pub(super) fn retired(&self, stage: Stage) -> impl Future<Output = Ended> + Send + Sync + use<> {
        let retired = self.retired.wait(stage);
        async {
            retired.await;
            Ended::closing()
        }
    }

    /// Has the body of a response that may go on without an end do so no longer than the right.
    ///
    /// # Errors
    ///
    /// Returns the response that the client should receive instead.
    pub(super) fn bound(
        &self,
        response: Response<Body>,
        about: &Parts,
    ) -> Result<Response<Body>, Box<Response<Bytes>>> {
        let types = response.headers().get_all(CONTENT_TYPE);
        if !types.iter().any(may_be_endless) {
            return Ok(response);
        }
        // A call that is cut off may be done twice: it may end by itself.
        let goes_on = about.method.is_safe() && types.iter().any(|value| names(&ENDLESS, value.as_bytes()));
        let stage = if goes_on { Stage::Stopping } else { Stage::Over };
        let response = match self.watch(about)? {
            Some(lease) => lease.attach(response).map(BodyExt::boxed_unsync),
            None => response,
        };
        Ok(LeasedBody::end_with(self.retired(stage), response).map(BodyExt::boxed_unsync))
    }
}

/// What a rejection later needs to know of a request: all but its headers.
pub(super) fn about(head: &Parts) -> Parts {
    let (mut about, ()) = Request::new(()).into_parts();
    about.method = head.method.clone();
    about.uri = head.uri.clone();
    about
}

fn wants_endless(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    headers.get_all(CONTENT_TYPE).iter().any(may_be_endless) || accepted.any(|value| is_long(value.trim_ascii()))
}

fn may_be_endless(value: &HeaderValue) -> bool {
    is_long(value.as_bytes())
}

fn is_long(value: &[u8]) -> bool {
    names(&ENDLESS, value) || names(&STREAMED, value)
}

fn names(types: &[&[u8]], value: &[u8]) -> bool {
    types.iter().any(|name| value.get(..name.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(name)))
}
