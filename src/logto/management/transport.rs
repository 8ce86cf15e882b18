//! One request to the tenant, within the limits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::time::timeout;

use super::limits::{Allowance, Limits};
use super::retry_after;
use crate::http::{Fetch, send};
use crate::permissions::SourceError;
use crate::time::{Clock, Now};

/// A call that takes longer comes too late for whoever waits for the snapshot.
const CALL_LIMIT: Duration = Duration::from_millis(1500);
/// After a 429 that does not say how long. Logto counts over ten seconds.
const DEFAULT_PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Transport {
    pub(super) fetch: Arc<dyn Fetch>,
    pub(super) limits: Arc<Limits>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Transport {
    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Sends a request when it is its turn, and reads the whole answer, whatever its status is. `name` is for messages.
    pub(super) async fn send(
        &self,
        allowance: &Allowance,
        request: Request<Bytes>,
        name: &str,
        most_bytes: usize,
    ) -> Result<Response<Bytes>, SourceError> {
        let turn = allowance.turn().await?;
        let outcome = timeout(CALL_LIMIT, send(&*self.fetch, request, most_bytes)).await;
        drop(turn);
        let late = |_| SourceError::new(format!("{name}: no answer within {CALL_LIMIT:?}"));
        let answer = outcome.map_err(late)?.map_err(|error| SourceError::new(format!("{name}: {error}")))?;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            let pause = self.retry_after(answer.headers()).unwrap_or(DEFAULT_PAUSE);
            self.limits.close_for(pause);
            return Err(SourceError::new(format!("{name}: status 429")).retry_after(pause));
        }
        Ok(answer)
    }

    /// For an answer with another status than was hoped for.
    pub(super) fn unexpected(&self, name: &str, answer: &Response<Bytes>) -> SourceError {
        let error = SourceError::new(format!("{name}: status {}", answer.status().as_u16()));
        match self.retry_after(answer.headers()) {
            Some(wait) => error.retry_after(wait),
            None => error,
        }
    }

    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        retry_after::read(headers, self.now().unix)
    }
}
