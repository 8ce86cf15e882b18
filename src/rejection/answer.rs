//! What a server made of a rejection.

use bytes::Bytes;
use http::HeaderValue;

/// The body of a response, in the form that the request calls for.
#[derive(Clone)]
pub(crate) enum RejectionAnswer {
    Http {
        content_type: HeaderValue,
        body: Bytes,
        /// Whether the request that is rejected was known.
        is_final: bool,
    },
    /// Trailers only: gRPC has no body for it.
    Grpc,
}
