//! One call, perhaps made twice.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::http::Fetch;

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// A connection that was reset, a server that restarts: asked again at once, it may refuse again.
const PAUSE: Duration = Duration::from_millis(20);

/// A server, and the limits of calls to it.
pub(crate) struct Remote {
    fetch: Arc<dyn Fetch>,
    permits: Semaphore,
    most: usize,
    deadline: Duration,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// As many calls as may be are on their way.
    Busy(usize),
    Late(Duration),
    Unreachable(String),
    TooLarge,
}

impl Remote {
    pub(crate) fn new(fetch: Arc<dyn Fetch>, most: usize, deadline: Duration) -> Self {
        Self { fetch, permits: Semaphore::new(most), most, deadline }
    }

    /// An answer of whatever status, within the deadline. A second call is made after a failed connection, a 5xx, or a
    /// 429 that asks for little patience: whatever is sent through here may arrive twice.
    pub(crate) async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        self.call_within(request, self.deadline).await
    }

    pub(crate) async fn call_within(
        &self,
        request: Request<Bytes>,
        deadline: Duration,
    ) -> Result<Response<Bytes>, CallError> {
        let _permit = self.permits.try_acquire().map_err(|_| CallError::Busy(self.most))?;
        let calls = async {
            let first = self.once(request.clone()).await;
            match pause_before_another(&first, deadline) {
                Some(pause) => {
                    tokio::time::sleep(pause).await;
                    self.once(request).await
                }
                None => first,
            }
        };
        tokio::time::timeout(deadline, calls).await.unwrap_or(Err(CallError::Late(deadline)))
    }

    async fn once(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let answer = self.fetch.fetch(request, MAX_ANSWER_BYTES).await;
        let answer = answer.map_err(|error| CallError::Unreachable(error.to_string()))?;
        if answer.body().len() > MAX_ANSWER_BYTES { Err(CallError::TooLarge) } else { Ok(answer) }
    }
}

fn pause_before_another(first: &Result<Response<Bytes>, CallError>, deadline: Duration) -> Option<Duration> {
    let answer = match first {
        Ok(answer) => answer,
        Err(CallError::Unreachable(_)) => return Some(PAUSE),
        Err(_) => return None,
    };
    let asked_for = retry_after(answer.headers());
    match answer.status() {
        StatusCode::TOO_MANY_REQUESTS => asked_for.filter(|pause| *pause < deadline).map(|pause| pause.max(PAUSE)),
        status if status.is_server_error() => {
            Some(asked_for.unwrap_or(PAUSE).max(PAUSE)).filter(|pause| *pause < deadline)
        }
        _ => None,
    }
}

/// Whether the same request may be answered otherwise in a moment.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// RFC 9110 section 10.2.3, in its form with seconds.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(most) => write!(f, "{most} calls are on their way already"),
            Self::Late(deadline) => write!(f, "no answer within {deadline:?}"),
            Self::Unreachable(why) => f.write_str(why),
            Self::TooLarge => write!(f, "the answer has more than {MAX_ANSWER_BYTES} bytes"),
        }
    }
}
