//! What is not an MCP request that can be decided, and the JSON-RPC errors that say so.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::respond::plain;

/// Why a request is not one that can be decided. The text is for the log and for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Headers of the protocol that say too much, too little, or something else than the body.
    Header(&'static str),
    /// A body that is not one clear message.
    Message(&'static str),
    /// A body that is not plain JSON.
    Type(&'static str),
    TooLarge,
    TooSlow,
    /// The body ended too early.
    Broken,
    /// A method of HTTP that the protocol does not use.
    HttpMethod,
}

impl Fault {
    const fn text(self) -> &'static str {
        match self {
            Self::Header(text) | Self::Message(text) | Self::Type(text) => text,
            Self::TooLarge => "the body is too large",
            Self::TooSlow => "the body did not arrive in time",
            Self::Broken => "the body ended too early",
            Self::HttpMethod => "the method is not GET, POST or DELETE",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Header(_) | Self::Message(_) | Self::Broken => StatusCode::BAD_REQUEST,
            Self::Type(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::HttpMethod => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// As it is recorded.
    pub(super) fn rejection(self) -> Rejection {
        Rejection::new(RejectionKind::InvalidRequest, Remediation::FixRequest, self.text())
    }

    pub(super) fn response(self) -> Response<Bytes> {
        let code = match self {
            Self::Header(_) => -32020,
            _ => -32600,
        };
        let mut response = error(self.status(), code, self.text(), None);
        if self == Self::HttpMethod {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
        }
        response
    }
}

/// A session that is not there, or not the caller's: the client opens another one.
pub(super) fn unknown_session() -> Response<Bytes> {
    error(StatusCode::NOT_FOUND, -32001, "Session not found", None)
}

/// A method that no policy is about. Older clients take any status but 200 for the end of the connection.
pub(super) fn unknown_method(id: Option<&str>, is_modern: bool) -> Response<Bytes> {
    let status = match (is_modern, id) {
        (true, _) => StatusCode::NOT_FOUND,
        (false, Some(_)) => StatusCode::OK,
        // A notification, which is never answered.
        (false, None) => StatusCode::BAD_REQUEST,
    };
    error(status, -32601, "Method not found", id)
}

fn error(status: StatusCode, code: i32, message: &str, id: Option<&str>) -> Response<Bytes> {
    let id = id.and_then(|id| RawValue::from_string(id.to_owned()).ok());
    let id = id.and_then(|id| serde_json::to_value(id).ok()).filter(|id| id.is_string() || id.is_number());
    let body: Value = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
    let mut response = plain(status, body.to_string());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
