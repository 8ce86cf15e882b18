//! Responses that are no rejections.

use bytes::Bytes;
use http::{Response, StatusCode};

/// A document, or what a protocol says in its own words.
pub(crate) fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
}
