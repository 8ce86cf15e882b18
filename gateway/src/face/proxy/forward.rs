use std::error::Error as _;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{self, Uri};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::LengthLimitError;
use hyper_util::client::legacy::Error;

use super::headers::{remove_token, write_forwarded};
use crate::answer;
use crate::gateway::Upstream;
use crate::judge::Passed;
use crate::net::{Body, Peer};

/// Why there is no response of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Unreachable,
    Broken,
    Late,
    /// It has as many open requests as it may have.
    Full,
    /// The client stopped sending its body.
    Stalled,
    /// The client sent more than it may.
    TooLarge,
    /// The client's body is malformed, or ended early.
    Request,
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        let mut is_body = false;
        let mut source = error.source();
        while let Some(cause) = source {
            if cause.is::<LengthLimitError>() {
                return Self::TooLarge;
            }
            // To the client of the upstream, whoever gives it the body is its user.
            is_body |= cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user);
            source = cause.source();
        }
        if is_body {
            return Self::Request;
        }
        if error.is_connect() { Self::Unreachable } else { Self::Broken }
    }

    pub(super) const fn is_the_client_s(self) -> bool {
        matches!(self, Self::Stalled | Self::TooLarge | Self::Request)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::Late => "late",
            Self::Full => "full",
            Self::Stalled => "stalled",
            Self::TooLarge => "too_large",
            Self::Request => "request",
        }
    }

    pub(super) fn response(self) -> Response<Bytes> {
        let (status, detail, remediation) = match self {
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "The upstream cannot be reached.", "retry"),
            Self::Broken => (StatusCode::BAD_GATEWAY, "The upstream did not give a valid response.", "retry"),
            Self::Late => (StatusCode::GATEWAY_TIMEOUT, "The upstream did not respond in time.", "retry"),
            Self::Full => return answer::full(),
            Self::Stalled => (StatusCode::REQUEST_TIMEOUT, "The body was not sent in time.", "retry"),
            Self::Request => return answer::malformed(),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than this API takes.", "fix_request"),
        };
        answer::problem(status, detail, remediation)
    }
}

/// Makes the request for the upstream from the request that was judged. `None` if it cannot be written.
pub(super) fn upstream_request(
    head: Parts,
    body: Body,
    passed: Passed<'_>,
    upstream: &Upstream,
    (peer, scheme): (&Peer, &'static str),
) -> Option<Request<Body>> {
    let mut target = uri::Parts::default();
    target.scheme = Some(upstream.scheme.clone());
    target.authority = Some(upstream.authority.clone());
    target.path_and_query = head.uri.into_parts().path_and_query;
    target.path_and_query.as_ref()?;
    let uri = Uri::from_parts(target).ok()?;
    let host = passed.host.map(HeaderValue::try_from).transpose().ok()?;
    let mut headers = head.headers;
    if !passed.route.forwards_token {
        remove_token(&mut headers);
    }
    match &host {
        Some(host) => headers.insert(HOST, host.clone()),
        None => headers.insert(HOST, HeaderValue::from_str(upstream.authority.as_str()).ok()?),
    };
    // The body is framed by what it is, not by what the client said.
    headers.remove(CONTENT_LENGTH);
    match body.size_hint().exact() {
        Some(0) if head.method.is_safe() => {}
        Some(length) => _ = headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
        // Without it a `GET` over HTTP/1.1 goes without its body.
        None if upstream.http2.is_none() => _ = headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
        None => {}
    }
    write_forwarded(&mut headers, peer, host, scheme);
    for (name, value) in passed.identity {
        if !value.is_empty() {
            headers.insert(name, value);
        }
    }
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    *request.uri_mut() = uri;
    *request.version_mut() = if upstream.http2.is_some() { Version::HTTP_2 } else { Version::HTTP_11 };
    *request.headers_mut() = headers;
    if upstream.http2.is_some() {
        request.headers_mut().remove(HOST);
    }
    Some(request)
}
