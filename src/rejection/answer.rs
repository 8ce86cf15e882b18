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

impl RejectionAnswer {
    /// The same, to be chosen anew for a request.
    pub(super) fn for_any_request(self) -> Self {
        match self {
            Self::Http { content_type, body, .. } => Self::Http { content_type, body, is_final: false },
            Self::Grpc => Self::Grpc,
        }
    }

    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Grpc | Self::Http { is_final: true, .. })
    }
}
