//! Responses of the gateway's own, in the form of the library's rejections.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

/// Returns a problem (RFC 9457) with a fixed text.
pub(crate) fn problem(status: StatusCode, detail: &str, remediation: &str) -> Response<Bytes> {
    let body = json!({
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
        "remediation": remediation,
    });
    let mut response = Response::new(body.to_string().into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(crate) fn malformed() -> Response<Bytes> {
    problem(StatusCode::BAD_REQUEST, "The request is malformed or ambiguous.", "fix_request")
}

pub(crate) fn too_long() -> Response<Bytes> {
    let detail = "The header fields are longer than this API takes.";
    problem(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail, "fix_request")
}

/// An upstream has as many open requests as it may have.
pub(crate) fn full() -> Response<Bytes> {
    let detail = "The upstream has as many open requests as it may have.";
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, detail, "retry");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A request that the gateway forwarded came back to it.
pub(crate) fn looped() -> Response<Bytes> {
    problem(
        StatusCode::LOOP_DETECTED,
        "The request came back to the gateway: an upstream is the gateway itself.",
        "none",
    )
}

pub(crate) fn no_route() -> Response<Bytes> {
    problem(StatusCode::NOT_FOUND, "There is nothing at this path.", "none")
}

pub(crate) fn wrong_method(allow: &[Method]) -> Response<Bytes> {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "The path does not take this method.", "fix_request");
    let allow: Vec<&str> = allow.iter().map(Method::as_str).collect();
    if let Ok(allow) = HeaderValue::from_str(&allow.join(", ")) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}
