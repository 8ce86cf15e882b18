use http::StatusCode;

use crate::rejection::Rejection;

/// Returns the code with which to close a WebSocket after a rejection, as it is registered at IANA: 3000 (unauthorized) for
/// 400 and 401, 3003 (forbidden) for 403 and 404, 1013 (try again later) for 503, else 1011 (internal error).
///
/// The reason to send along is [`RejectionKind::as_str`](crate::rejection::RejectionKind::as_str).
#[must_use]
pub fn close_code(rejection: &Rejection) -> u16 {
    match rejection.status() {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => 3000,
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => 3003,
        StatusCode::SERVICE_UNAVAILABLE => 1013,
        _ => 1011,
    }
}
