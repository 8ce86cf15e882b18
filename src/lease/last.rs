//! What a client is told last.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::ended::Ended;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The last event of an event stream. Its words are fixed: nothing in it must be escaped.
pub(crate) fn last_event(ended: Ended) -> Bytes {
    let (reason, remediation) = (ended.reason().as_str(), ended.remediation().as_str());
    let event = match ended.retry_after() {
        None => {
            format!("event: end\ndata: {{\"reason\":\"{reason}\",\"remediation\":\"{remediation}\"}}\n\n")
        }
        Some(after) => format!(
            "event: end\nretry: {}\ndata: {{\"reason\":\"{reason}\",\"remediation\":\"{remediation}\",\"retry_after\":{}}}\n\n",
            after.as_millis(),
            after.as_secs() + u64::from(after.subsec_nanos() > 0)
        ),
    };
    event.into()
}

/// The trailers of a gRPC response.
pub(super) fn trailers(ended: Ended) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert(GRPC_STATUS, HeaderValue::from(u16::from(ended.grpc_code())));
    if let Ok(message) = HeaderValue::try_from(ended.to_string()) {
        trailers.insert(GRPC_MESSAGE, message);
    }
    trailers
}
