//! What goes wrong at the issuer, and when.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::Endpoint;

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
    /// The right answer, after this much real time.
    Delay(Duration),
    /// The right answer, once the test calls [`TestIssuer::release`](super::TestIssuer::release).
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

    fn check(&self) {
        match self {
            Self::Status(status) | Self::RetryAfter { status, .. } => {
                assert!((200..1000).contains(status), "not a final HTTP status: {status}");
            }
            Self::Redirect(to) => {
                assert!(http::HeaderValue::from_str(to).is_ok(), "not the value of a Location header: {to:?}");
            }
            _ => {}
        }
    }
}

/// The faults to come.
#[derive(Debug, Default)]
pub(super) struct Script {
    next: HashMap<Endpoint, VecDeque<Fault>>,
    always: HashMap<Endpoint, Fault>,
}

impl Script {
    pub(super) fn next(&mut self, endpoint: Endpoint, fault: Fault) {
        fault.check();
        self.next.entry(endpoint).or_default().push_back(fault);
    }

    pub(super) fn always(&mut self, endpoint: Endpoint, fault: Fault) {
        fault.check();
        self.always.insert(endpoint, fault);
    }

    /// The fault for a request that has come in: one time before always, the endpoint's own before everyone's.
    pub(super) fn take(&mut self, endpoint: Endpoint) -> Option<Fault> {
        let next = endpoint.widening().find_map(|endpoint| self.next.get_mut(&endpoint)?.pop_front());
        next.or_else(|| endpoint.widening().find_map(|endpoint| self.always.get(&endpoint).cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_time_faults_come_first_and_in_order() {
        let mut script = Script::default();
        script.always(Endpoint::All, Fault::Empty);
        script.always(Endpoint::Keys, Fault::Garbage);
        script.next(Endpoint::All, Fault::Status(500));
        script.next(Endpoint::Keys, Fault::Status(501));
        script.next(Endpoint::Keys, Fault::Status(502));
        let keys: Vec<_> = std::iter::repeat_with(|| script.take(Endpoint::Keys)).take(4).collect();
        let expected = [Fault::Status(501), Fault::Status(502), Fault::Status(500), Fault::Garbage];
        assert_eq!(keys, expected.map(Some));
        assert_eq!(script.take(Endpoint::Discovery), Some(Fault::Empty));
        assert_eq!(Script::default().take(Endpoint::Keys), None);
        script.always(Endpoint::Management, Fault::Hang);
        assert_eq!(script.take(Endpoint::User), Some(Fault::Hang));
        assert_eq!(script.take(Endpoint::Token), Some(Fault::Empty));
    }
}
