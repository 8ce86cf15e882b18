//! What goes wrong at an issuer, a tenant or a decision point.

use std::time::Duration;

/// A wrong response. If a fault does not apply to an endpoint (metadata without keys, for example), the response is
/// correct.
///
/// ```
/// use orgate::ResourceServer;
/// use orgate::testing::{Endpoint, Fault, TestIssuer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = TestIssuer::start().await;
/// issuer.fail_always(Endpoint::Keys, Fault::Status(503));
/// let server = ResourceServer::builder(issuer.url(), "https://api.example.com").build()?;
/// assert!(server.ready().await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// This status, from 200 to 999, and a small JSON body.
    Status(u16),
    /// This status with `Retry-After` in whole seconds: 429 when there was too much, 503 when there was too little.
    #[non_exhaustive]
    RetryAfter {
        /// From 200 to 999.
        status: u16,
        /// Rounded up to seconds.
        after: Duration,
    },
    /// This status and this body.
    #[non_exhaustive]
    Answer {
        /// From 200 to 999.
        status: u16,
        /// As it is sent.
        body: String,
    },
    /// The right answer, after this much real time.
    Delay(Duration),
    /// The right answer, once the test calls `release` ([`TestIssuer::release`](super::TestIssuer::release), say).
    Hold,
    /// No answer, ever; the connection stays open.
    Hang,
    /// Status 200 and octets that are not JSON.
    Garbage,
    /// Status 200 without a body.
    Empty,
    /// Status 200 and this body.
    Body(String),
    /// The right answer, made larger than 256 KiB with white space: only its size is wrong.
    Huge,
    /// The head of a right answer, then a byte of white space now and then, without end.
    Drip,
    /// The head of a right answer and half of its body, then the connection is closed.
    Reset,
    /// Status 302 and this `Location`.
    Redirect(String),
    /// Metadata in the name of another issuer.
    WrongIssuer,
    /// An empty key set.
    NoKeys,
    /// This many keys: those published, and well-formed others.
    TooManyKeys(usize),
}

impl Fault {
    /// Creates a fault with this status and `Retry-After`, in whole seconds.
    #[must_use]
    pub const fn retry_after(status: u16, after: Duration) -> Self {
        Self::RetryAfter { status, after }
    }

    /// Creates a fault with this status and this body.
    #[must_use]
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, body: body.into() }
    }

    /// Panics if the fault cannot be sent.
    pub(super) fn check(&self) {
        match self {
            Self::Status(status) | Self::RetryAfter { status, .. } | Self::Answer { status, .. } => {
                assert!((200..1000).contains(status), "not a final HTTP status: {status}");
            }
            Self::Redirect(to) => {
                assert!(http::HeaderValue::from_str(to).is_ok(), "not the value of a Location header: {to:?}");
            }
            _ => {}
        }
    }
}
