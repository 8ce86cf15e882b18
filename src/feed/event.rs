//! The events of a stream (HTML Living Standard, section 9.2). Their data is JSON on one line, so that nothing in it can
//! begin a field of its own.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::rejection::Remediation;
use crate::time::milliseconds;

/// An empty comment: clients ignore it.
pub(super) const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

#[derive(Serialize)]
struct Undecided {
    status: &'static str,
    retry_after: u64,
    expires_at: u64,
}

#[derive(Serialize)]
struct End<'a> {
    reason: &'a str,
    remediation: &'static str,
}

/// A state, complete: the first one, or what changed.
pub(super) fn state(is_first: bool, id: &str, json: &str) -> Bytes {
    let name = if is_first { "state" } else { "change" };
    format!("id: {id}\nevent: {name}\ndata: {json}\n\n").into()
}

/// That nothing can be said now. `after`: in seconds.
pub(super) fn undecided(after: u64, expires_at: u64) -> String {
    let said = Undecided { status: "undecided", retry_after: after, expires_at };
    serde_json::to_string(&said).unwrap_or_default()
}

pub(super) fn undecided_event(after: u64, expires_at: u64) -> Bytes {
    format!("event: undecided\ndata: {}\n\n", undecided(after, expires_at)).into()
}

/// The last event. `retry`: when the client may come again.
pub(super) fn end(reason: &str, remediation: Remediation, retry: Option<Duration>) -> Bytes {
    let mut text = String::new();
    if let Some(after) = retry {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "retry: {}", milliseconds(after));
    }
    let said = serde_json::to_string(&End { reason, remediation: remediation.as_str() }).unwrap_or_default();
    let _ = write!(text, "event: end\ndata: {said}\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_framed_by_one_empty_line() {
        assert_eq!(state(true, "a", "{}"), "id: a\nevent: state\ndata: {}\n\n");
        assert_eq!(state(false, "a", "{}"), "id: a\nevent: change\ndata: {}\n\n");
        assert_eq!(
            undecided_event(3, 7),
            "event: undecided\ndata: {\"status\":\"undecided\",\"retry_after\":3,\"expires_at\":7}\n\n"
        );
        assert_eq!(
            end("closing", Remediation::Retry, Some(Duration::from_millis(1500))),
            "retry: 1500\nevent: end\ndata: {\"reason\":\"closing\",\"remediation\":\"retry\"}\n\n"
        );
        assert!(end("expired", Remediation::Refresh, None).starts_with(b"event: end\n"));
    }
}
