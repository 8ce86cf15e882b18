use http::StatusCode;

use crate::rejection::{Rejection, Remediation};

/// Returns the code with which to close a WebSocket after a rejection, as [`Ended::close_code`](crate::lease::Ended::close_code)
/// does after a lease: 3000 (unauthorized) where the client can do something about it, 1008 (policy violation) where it
/// cannot, 1013 (try again later) for the remediation `retry`, 1011 (internal error) for status 500.
///
/// The reason to send along is [`RejectionKind::as_str`](crate::rejection::RejectionKind::as_str).
#[must_use]
pub fn close_code(rejection: &Rejection) -> u16 {
    match rejection.remediation() {
        _ if rejection.status() == StatusCode::INTERNAL_SERVER_ERROR => 1011,
        Remediation::None => 1008,
        Remediation::Retry => 1013,
        _ => 3000,
    }
}
