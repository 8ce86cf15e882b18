use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, UnaryService};
use tonic_prost::ProstCodec;

use super::check::{check, too_late};
use super::proto::{CheckRequest, CheckResponse};
use crate::face::Current;
use crate::net::{Body, Connections, Peer, full};

const PATH: &str = "/envoy.service.auth.v3.Authorization/Check";
/// The longest wait for a decision, and what is left of a shorter deadline to answer in.
const LONGEST: Duration = Duration::from_secs(10);
const MARGIN: Duration = Duration::from_millis(20);
/// Headers of a request, twice: as text and as bytes.
const LARGEST_QUESTION: usize = 1024 * 1024;

/// Answers Envoy's checks.
pub(crate) struct ExtAuthz(pub(crate) Current);

impl Connections for ExtAuthz {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: Peer) -> Response<Body> {
        if request.uri().path() != PATH {
            return unimplemented();
        }
        let deadline = deadline(request.headers());
        let mut grpc = Grpc::new(ProstCodec::default()).max_decoding_message_size(LARGEST_QUESTION);
        let response = grpc.unary(Check { current: self.0.clone(), deadline }, request).await;
        response.map(|body| body.map_err(Into::into).boxed_unsync())
    }
}

struct Check {
    current: Current,
    deadline: Duration,
}

impl UnaryService<CheckRequest> for Check {
    type Response = CheckResponse;
    type Future = BoxFuture<tonic::Response<CheckResponse>, tonic::Status>;

    fn call(&mut self, request: tonic::Request<CheckRequest>) -> Self::Future {
        let (gateway, deadline) = (self.current.load_full(), self.deadline);
        Box::pin(async move {
            let checked = tokio::time::timeout(deadline, check(&gateway, request.into_inner())).await;
            Ok(tonic::Response::new(checked.unwrap_or_else(|_| too_late())))
        })
    }
}

/// Reads `grpc-timeout`: up to eight digits and a unit.
fn deadline(headers: &HeaderMap) -> Duration {
    let read = || {
        let text = headers.get("grpc-timeout")?.to_str().ok()?;
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: u64 = number.parse().ok()?;
        Some(match unit {
            "H" => Duration::from_secs(number.saturating_mul(3600)),
            "M" => Duration::from_secs(number.saturating_mul(60)),
            "S" => Duration::from_secs(number),
            "m" => Duration::from_millis(number),
            "u" => Duration::from_micros(number),
            "n" => Duration::from_nanos(number),
            _ => return None,
        })
    };
    read().map_or(LONGEST, |deadline| deadline.saturating_sub(MARGIN).min(LONGEST))
}

fn unimplemented() -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", http::HeaderValue::from_static("12"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Duration {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", http::HeaderValue::from_static(text));
        deadline(&headers)
    }

    #[test]
    fn answer_comes_before_the_deadline_of_the_call() {
        assert_eq!(read("200m"), Duration::from_millis(180));
        assert_eq!(read("5S"), Duration::from_millis(4980));
        assert_eq!(read("10m"), Duration::ZERO);
        assert_eq!(read("99999999H"), LONGEST);
        for text in ["", "S", "x", "5", "5s", "-1S"] {
            assert_eq!(read(text), LONGEST, "{text:?}");
        }
    }
}
