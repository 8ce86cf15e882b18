//! One call, perhaps made twice.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Fetch, FetchError, retry_after, send};
use crate::error::ConfigError;
use crate::flight::{Lane, Lanes, NO_RUNTIME, has_runtime};

/// The largest response that is read.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// A connection that was reset, a server that restarts: asked again at once, it may reject again.
const PAUSE: Duration = Duration::from_millis(20);
/// Calls that wait for a slot, for each slot that there is.
const QUEUE: usize = 4;
/// The longest wait for a slot: a caller of this that gives up later has waited for the other side.
const MOST_QUEUING: Duration = Duration::from_secs(1);

/// A server, and the limits of calls to it.
pub(crate) struct Remote {
    fetch: Arc<dyn Fetch>,
    lanes: Lanes,
    deadline: Duration,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The limits of this process were reached: the other side was not asked, or had less than its time.
    Busy,
    NoRuntime,
    Late(Duration),
    Unreachable(FetchError),
    /// There is a response, and it cannot be used.
    Unusable(FetchError),
}

impl Remote {
    /// `most` calls at a time for each tenant, and some more that wait.
    pub(crate) fn new(fetch: Arc<dyn Fetch>, most: usize, deadline: Duration) -> Self {
        Self { fetch, lanes: Lanes::new(most, most.saturating_mul(QUEUE)), deadline }
    }

    /// How many calls wait for a slot.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.waiting()
    }

    /// Returns a response of whatever status, within the deadline. A second call is made after a failed connection, a 5xx, or
    /// a 429 that asks for little patience: whatever is sent through here may arrive twice.
    pub(crate) async fn call(
        &self,
        lane: Option<&Lane>,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, CallError> {
        self.call_within(lane, request, self.deadline).await
    }

    pub(crate) async fn call_within(
        &self,
        lane: Option<&Lane>,
        request: Request<Bytes>,
        deadline: Duration,
    ) -> Result<Response<Bytes>, CallError> {
        if !has_runtime() {
            return Err(CallError::NoRuntime);
        }
        let end = Instant::now() + deadline;
        let (bulkhead, who) = (self.lanes.of(lane), lane.map(|lane| &lane.subject));
        let at_once = bulkhead.try_enter(who);
        let waited = at_once.is_none();
        let _slot = match at_once {
            Some(slot) => slot,
            None => match timeout(MOST_QUEUING.min(deadline / 2), bulkhead.enter(who)).await {
                Ok(Ok(slot)) => slot,
                _ => return Err(CallError::Busy),
            },
        };
        let calls = async {
            let first = self.once(request.clone()).await;
            match pause_before_another(&first, deadline) {
                Some(pause) => {
                    sleep(pause).await;
                    self.once(request).await
                }
                None => first,
            }
        };
        // Whoever waited for a slot of ours left the other side less time than it has.
        let late = if waited { CallError::Busy } else { CallError::Late(deadline) };
        timeout_at(end, calls).await.unwrap_or(Err(late))
    }

    async fn once(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        send(&*self.fetch, request, MAX_ANSWER_BYTES).await.map_err(|error| {
            if error.has_response() { CallError::Unusable(error) } else { CallError::Unreachable(error) }
        })
    }
}

fn pause_before_another(first: &Result<Response<Bytes>, CallError>, deadline: Duration) -> Option<Duration> {
    let answer = match first {
        Ok(answer) => answer,
        Err(CallError::Unreachable(_)) => return Some(PAUSE),
        Err(_) => return None,
    };
    let asked_for = retry_after(answer.headers(), None);
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

/// A header that holds a secret, which no error and no `Debug` shows.
pub(crate) fn check_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let name = HeaderName::try_from(name).map_err(|_| ConfigError::new(format_args!("header {name:?}: not a name")))?;
    let mut value = HeaderValue::try_from(value).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
        ConfigError::new(format_args!("header {name}: its value is empty, or not a valid header value"))
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many calls are under way already"),
            Self::NoRuntime => f.write_str(NO_RUNTIME),
            Self::Late(deadline) => write!(f, "no response within {deadline:?}"),
            Self::Unreachable(why) | Self::Unusable(why) => write!(f, "{why}"),
        }
    }
}
