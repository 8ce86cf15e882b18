//! The time that a request's body takes: the upstream's limit does not count it, and a silent client has one of its own.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::forward::Failure;
use crate::net::Moment;

/// Who is waited for while a body is sent, and since when.
#[derive(Debug)]
pub(super) struct Progress {
    since: Moment,
    is_the_client_s: AtomicBool,
    is_call: bool,
}

impl Progress {
    /// The client of a call of gRPC may wait for the response before it sends more: then the upstream is waited for.
    pub(super) fn new(headers: &HeaderMap) -> Self {
        Self { since: Moment::now(), is_the_client_s: AtomicBool::new(false), is_call: is_grpc(headers) }
    }

    /// Takes note of what the upstream's connection got when it asked for more of the body.
    pub(super) fn note<T>(&self, polled: &Poll<T>) {
        let is_the_client_s = polled.is_pending();
        let was = self.is_the_client_s.swap(is_the_client_s, Ordering::Relaxed);
        // Asking a silent client again is no progress.
        if !(was && is_the_client_s) {
            self.since.note();
        }
    }

    fn failure(&self) -> Failure {
        let is_the_client_s = self.is_the_client_s.load(Ordering::Relaxed) && !self.is_call;
        if is_the_client_s { Failure::Stalled } else { Failure::Late }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let name = essence.split(|byte| *byte == b'+').next().unwrap_or_default();
    name.eq_ignore_ascii_case(b"application/grpc")
}

/// Waits for a response: no longer than `limit` for the upstream after it took the last part of the body, nor for the client's
/// next part.
///
/// # Errors
///
/// Returns who was late.
pub(super) async fn in_time<T>(
    limit: Duration,
    progress: Option<&Progress>,
    response: impl Future<Output = T>,
) -> Result<T, Failure> {
    let mut response = pin!(response);
    let mut until = Instant::now() + limit;
    loop {
        if let Ok(response) = timeout_at(until, response.as_mut()).await {
            return Ok(response);
        }
        let Some(progress) = progress else { return Err(Failure::Late) };
        until = progress.since.get() + limit;
        if until <= Instant::now() {
            return Err(progress.failure());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    const PART: Duration = Duration::from_secs(20);

    /// Takes parts of a body, one each 20 seconds, and then ends as `end` does.
    async fn upload(progress: &Progress, parts: usize, end: impl Future<Output = ()>) {
        for _ in 0..parts {
            progress.note(&Poll::<()>::Pending);
            sleep(PART).await;
            progress.note(&Poll::Ready(()));
        }
        end.await;
    }

    #[tokio::test(start_paused = true)]
    async fn limit_begins_anew_with_each_part_of_the_body() {
        let progress = Progress::new(&HeaderMap::new());
        let ends = async || upload(&progress, 10, ready(())).await;
        assert_eq!(in_time(LIMIT, Some(&progress), ends()).await, Ok(()));
        // Without its progress the same upload is late.
        assert_eq!(in_time(LIMIT, None, ends()).await, Err(Failure::Late));
    }

    #[tokio::test(start_paused = true)]
    async fn upstream_that_does_not_answer_a_whole_body_is_late() {
        let progress = Progress::new(&HeaderMap::new());
        let start = Instant::now();
        assert_eq!(in_time(LIMIT, Some(&progress), upload(&progress, 10, pending())).await, Err(Failure::Late));
        assert_eq!(start.elapsed().as_secs(), 10 * 20 + 30);
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_stops_sending_is_stalled_however_often_it_is_asked() {
        let progress = Progress::new(&HeaderMap::new());
        let start = Instant::now();
        let silent = async {
            loop {
                progress.note(&Poll::<()>::Pending);
                sleep(Duration::from_secs(7)).await;
            }
        };
        assert_eq!(in_time(LIMIT, Some(&progress), upload(&progress, 2, silent)).await, Err(Failure::Stalled));
        assert_eq!(start.elapsed().as_secs(), 2 * 20 + 30);
    }

    #[tokio::test(start_paused = true)]
    async fn upstream_is_late_with_a_call_of_grpc_whose_client_sends_no_more() {
        for (content_type, expected) in [
            ("application/grpc", Failure::Late),
            ("Application/gRPC+proto", Failure::Late),
            ("application/grpc; x=y", Failure::Late),
            ("application/grpc-web", Failure::Stalled),
            ("application/grpcx", Failure::Stalled),
            ("text/plain+application/grpc", Failure::Stalled),
        ] {
            let progress = Progress::new(&HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]));
            let open = async {
                progress.note(&Poll::<()>::Pending);
                pending::<()>().await;
            };
            assert_eq!(in_time(LIMIT, Some(&progress), open).await, Err(expected), "{content_type}");
        }
    }
}
