//! The one place where a rejection becomes a response.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use serde::Serialize;

use super::{ChallengeSettings, Rejected, Wanted, problem};
use crate::rejection::{Rejection, RejectionAnswer};

pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Shapes the body of a rejection, and neither its status nor its headers.
pub(crate) type ShapeBody = Arc<dyn Fn(&Rejection, &HeaderMap) -> RejectionBody + Send + Sync>;

/// How one server responds to what it rejects.
#[derive(Clone)]
pub(crate) struct Responder {
    pub(crate) challenge: ChallengeSettings,
    pub(crate) shape_body: Option<ShapeBody>,
    /// Whether a gRPC call is answered in gRPC's way, with HTTP status 200.
    pub(crate) grpc: bool,
}

/// The body of a rejection, as a `rejection_body` hook shapes it.
///
/// ```
/// use orgate::respond::RejectionBody;
/// use serde_json::json;
///
/// let body = RejectionBody::json(&json!({ "message": "not permitted" }));
/// let text = RejectionBody::text("not permitted");
/// # _ = (body, text);
/// ```
#[derive(Clone, Debug)]
pub struct RejectionBody {
    content_type: HeaderValue,
    bytes: Bytes,
}

impl RejectionBody {
    /// Creates a body of any content type.
    pub fn new(content_type: HeaderValue, bytes: impl Into<Bytes>) -> Self {
        Self { content_type, bytes: bytes.into() }
    }

    /// Creates a body of plain text in UTF-8.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(HeaderValue::from_static("text/plain; charset=utf-8"), text.into())
    }

    /// Creates a body of JSON. A value that cannot be serialized becomes an empty object.
    pub fn json(value: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec());
        Self::new(HeaderValue::from_static("application/json"), bytes)
    }

    /// Creates an empty body.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(HeaderValue::from_static("text/plain"), Bytes::new())
    }

    /// Creates a body of RFC 9457 problem details, the default.
    #[must_use]
    pub fn problem(rejection: &Rejection) -> Self {
        Self::new(HeaderValue::from_static("application/problem+json"), problem::body(rejection))
    }
}

impl Responder {
    /// Completes a rejection for one request: the challenge, and the body in the form that the request calls for. A rejection
    /// that is complete already stays as it is.
    pub(crate) fn complete(&self, rejection: Rejection, wanted: &Wanted, rejected: Rejected<'_>) -> Rejection {
        if rejection.is_complete() {
            return rejection;
        }
        let request = rejected.request;
        let rejection = self.challenge.challenge(rejection, wanted, rejected);
        if self.grpc && is_grpc(request) {
            return rejection.answered_by(RejectionAnswer::Grpc);
        }
        let body = match &self.shape_body {
            Some(shape) => shape(&rejection, &request.headers),
            None => RejectionBody::problem(&rejection),
        };
        let RejectionBody { content_type, bytes: body } = body;
        rejection.answered_by(RejectionAnswer::Http { content_type, body, is_final: true })
    }
}

impl Rejection {
    /// The response. One that no server completed gets a problem body, and no challenge.
    pub(crate) fn into_response(self) -> Response<Bytes> {
        let response = match self.answer() {
            Some(RejectionAnswer::Grpc) => grpc(&self),
            Some(RejectionAnswer::Http { content_type, body, .. }) => http(&self, content_type.clone(), body.clone()),
            None => {
                let body = RejectionBody::problem(&self);
                http(&self, body.content_type, body.bytes)
            }
        };
        finish(response, self)
    }
}

fn http(rejection: &Rejection, content_type: HeaderValue, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    *response.status_mut() = rejection.status();
    response
}

/// Headers that no hook can change.
fn finish(mut response: Response<Bytes>, rejection: Rejection) -> Response<Bytes> {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // One field for each scheme: some clients read no further than the first challenge of a field.
    for challenge in rejection.challenges() {
        headers.append(WWW_AUTHENTICATE, challenge.clone());
    }
    if let Some(nonce) = rejection.nonce() {
        headers.insert(DPOP_NONCE, nonce.clone());
    }
    if let Some(retry_after) = rejection.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(retry_after)));
    }
    response.extensions_mut().insert(rejection);
    response
}

/// A gRPC rejection has HTTP status 200, so only what can be a gRPC call gets one: a proxy that asks this server whether to
/// let a request in must not be talked into a 200 by a header of the caller's.
fn is_grpc(request: &Parts) -> bool {
    let content_type = request.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let Some(rest) = content_type.strip_prefix(b"application/grpc") else { return false };
    let rest = rest.strip_prefix(b"-web-text").or_else(|| rest.strip_prefix(b"-web")).unwrap_or(rest);
    let ends = matches!(rest.first(), None | Some(b'+' | b';'));
    ends && request.method == Method::POST && request.version >= Version::HTTP_2
}

/// A trailers-only answer: the status is in the headers, and there is no body.
fn grpc(rejection: &Rejection) -> Response<Bytes> {
    let code = match rejection.status() {
        StatusCode::BAD_REQUEST => 3,
        StatusCode::REQUEST_TIMEOUT => 4,
        StatusCode::NOT_FOUND | StatusCode::GONE => 5,
        StatusCode::FORBIDDEN => 7,
        StatusCode::PAYLOAD_TOO_LARGE => 8,
        StatusCode::SERVICE_UNAVAILABLE => 14,
        StatusCode::UNAUTHORIZED => 16,
        _ => 13,
    };
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from(code));
    // The fixed sentences are printable ASCII without `%`: nothing to encode.
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(rejection.description()));
    response
}

/// Rounded up: a client that waits this long must not come too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).max(1)
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
