//! A connection that has not sent its token yet.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

use crate::engine::{Grant, Requirement};
use crate::lock::lock;
use crate::organization::outline;
use crate::rejection::{Rejection, RejectionKind, Remediation};

/// A WebSocket whose token comes in its first message. In the extensions of a request that went through
/// [`FirstMessageLayer`](super::FirstMessageLayer); an extractor of axum.
///
/// It holds one of the places of [`FirstMessage::max_waiting`](super::FirstMessage::max_waiting) until its token is judged, or
/// until it is dropped.
#[derive(Clone)]
pub struct Unauthenticated {
    requirement: Requirement,
    timeout: Duration,
    outline: Arc<Parts>,
    /// Taken by the first call: a connection has one first message.
    waiting: Arc<Mutex<Option<Waiting>>>,
}

/// The handshake, and the place among the connections without a token.
type Waiting = (Box<Parts>, OwnedSemaphorePermit);

impl Unauthenticated {
    pub(super) fn new(
        requirement: Requirement,
        request: Parts,
        timeout: Duration,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let outline = Arc::new(outline(&request));
        Self { requirement, timeout, outline, waiting: Arc::new(Mutex::new(Some((Box::new(request), place)))) }
    }

    /// Waits for the token, and decides the handshake by the policy of the route with that token.
    ///
    /// `token` is whatever reads one message and takes the token out of it; `None` stands for a connection that was closed, and
    /// for any other message. After the returned grant the connection can have a lease, as after a handshake with
    /// `Authorization`.
    ///
    /// # Errors
    ///
    /// Returns a [`Rejection`] if the token does not arrive in time, if it is bound to a key or a certificate, and whenever
    /// [`Requirement::authorize`] would return one. The connection is to be closed then: see [`close_code`](super::close_code).
    pub async fn authorize<T: AsRef<str>>(self, token: impl Future<Output = Option<T>>) -> Result<Grant, Rejection> {
        let Some((mut request, place)) = lock(&self.waiting).take() else {
            let rejection = Rejection::misconfigured("the first message of a WebSocket was judged before");
            return Err(self.requirement.refuse(rejection, &self.outline));
        };
        // Without a tokio runtime there is no timer to wait with.
        let received = if tokio::runtime::Handle::try_current().is_ok() {
            tokio::time::timeout(self.timeout, token).await.map_err(|_| "no token was sent in time")
        } else {
            Err("no tokio runtime to wait for the first message")
        };
        let outcome = match received.and_then(|token| token.ok_or("the first message has no token")) {
            Ok(token) => self.requirement.authorize_with(&mut request, token.as_ref().into()).await,
            Err(detail) => {
                let rejection = Rejection::new(RejectionKind::MissingToken, Remediation::Authenticate, detail);
                Err(self.requirement.refuse(rejection, &request))
            }
        };
        drop(place);
        outcome
    }

    /// Returns how many bytes a token may have: no first message needs to be much longer.
    #[must_use]
    pub fn max_token_bytes(&self) -> usize {
        self.requirement.max_token_bytes()
    }
}

impl fmt::Debug for Unauthenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unauthenticated")
            .field("requirement", &self.requirement)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
