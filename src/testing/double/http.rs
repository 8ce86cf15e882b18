//! The HTTP side of a double: every call is written down, and a fault may come in the place of the right answer.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpListener;

use super::super::body::AnswerBody;
use super::super::loopback::{Loopback, read};
use crate::lock::lock;

/// A wrong response of a double.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PdpFault {
    /// This status, from 200 to 999, and a small JSON body.
    Status(u16),
    /// This status, and a `Retry-After` of so many seconds.
    RetryAfter(u16, u64),
    /// Status 200 and this body.
    Body(String),
    /// This status and this body.
    Answer(u16, String),
    /// The right answer, after this much real time.
    Delay(Duration),
    /// No answer, ever; the connection stays open.
    Hang,
    /// The right answer, made larger than 256 KiB with white space.
    Huge,
    /// The head of a right answer, then a byte of white space now and then, without end.
    Drip,
    /// The head of a right answer and half of its body, then the connection is closed.
    Reset,
    /// Status 302 and this `Location`.
    Redirect(String),
}

/// One call that a double received.
#[derive(Clone)]
pub struct PdpCall {
    parts: Parts,
    body: Bytes,
}

impl PdpCall {
    /// Returns the method, such as `POST`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    /// Returns the path as it was sent, without decoding it.
    #[must_use]
    pub fn path(&self) -> &str {
        self.parts.uri.path()
    }

    /// Returns the query as it was sent.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.parts.uri.query()
    }

    /// Returns a header that was sent once; `None` otherwise.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.parts.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }

    /// Returns the body as text, with invalid UTF-8 replaced.
    #[must_use]
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body deserialized from JSON, if it fits.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl fmt::Debug for PdpCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method(), self.path(), self.body())
    }
}

/// An answer, as a double's own logic gives it.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    pub(super) const fn new(status: u16, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }
}

type Logic = Arc<dyn Fn(&PdpCall) -> Reply + Send + Sync>;

#[derive(Default)]
struct Record {
    calls: Vec<PdpCall>,
    next: VecDeque<(String, PdpFault)>,
    always: Option<(String, PdpFault)>,
    in_flight: usize,
    most_in_flight: usize,
}

impl Record {
    /// The fault for this path: one time before always.
    fn fault(&mut self, path: &str) -> Option<PdpFault> {
        let is_meant = |prefix: &String| path.starts_with(&**prefix);
        let at = self.next.iter().position(|(prefix, _)| is_meant(prefix));
        let next = at.and_then(|at| self.next.remove(at)).map(|(_, fault)| fault);
        next.or_else(|| self.always.clone().filter(|(prefix, _)| is_meant(prefix)).map(|(_, fault)| fault))
    }
}

/// A server whose tasks end with it.
pub(super) struct Double {
    url: String,
    record: Arc<Mutex<Record>>,
    server: Loopback,
}

impl Double {
    pub(super) async fn start(logic: impl FnOnce(&str) -> Logic) -> Self {
        let bound = TcpListener::bind(("127.0.0.1", 0)).await.and_then(|bound| Ok((bound.local_addr()?, bound)));
        let (address, listener) = match bound {
            Ok(bound) => bound,
            Err(error) => panic!("no port on 127.0.0.1 for a double: {error}"),
        };
        let url = format!("http://{address}");
        let (record, logic) = (Arc::<Mutex<Record>>::default(), logic(&url));
        let served = record.clone();
        let server = Loopback::spawn(listener, move |request| serve(served.clone(), logic.clone(), request));
        Self { url, record, server }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn calls(&self) -> Vec<PdpCall> {
        lock(&self.record).calls.clone()
    }

    pub(super) fn take_calls(&self) -> Vec<PdpCall> {
        std::mem::take(&mut lock(&self.record).calls)
    }

    pub(super) fn most_in_flight(&self) -> usize {
        lock(&self.record).most_in_flight
    }

    pub(super) fn fail_next(&self, prefix: &str, fault: PdpFault) {
        lock(&self.record).next.push_back((prefix.to_owned(), fault));
    }

    pub(super) fn fail_always(&self, prefix: &str, fault: PdpFault) {
        lock(&self.record).always = Some((prefix.to_owned(), fault));
    }

    pub(super) fn recover(&self) {
        let mut record = lock(&self.record);
        record.next.clear();
        record.always = None;
    }

    /// Closes every connection, and resets those to come: the port stays ours.
    pub(super) fn take_down(&self) {
        self.server.close();
    }

    pub(super) fn bring_up(&self) {
        self.server.open();
    }
}

/// Counts as in flight until it is dropped.
struct Flight(Arc<Mutex<Record>>);

impl Drop for Flight {
    fn drop(&mut self) {
        lock(&self.0).in_flight -= 1;
    }
}

async fn serve(record: Arc<Mutex<Record>>, logic: Logic, request: Request<Incoming>) -> Response<AnswerBody> {
    let (parts, body) = request.into_parts();
    let call = PdpCall { parts, body: read(body).await };
    let fault = {
        let mut record = lock(&record);
        record.calls.push(call.clone());
        record.in_flight += 1;
        record.most_in_flight = record.most_in_flight.max(record.in_flight);
        record.fault(call.path())
    };
    let _flight = Flight(record);
    match &fault {
        Some(PdpFault::Delay(time)) => tokio::time::sleep(*time).await,
        Some(PdpFault::Hang) => std::future::pending().await,
        _ => {}
    }
    answer(fault, || logic(&call))
}

fn answer(fault: Option<PdpFault>, right: impl FnOnce() -> Reply) -> Response<AnswerBody> {
    let plain = |status, body: String| found(status, AnswerBody::whole(body));
    match fault {
        None | Some(PdpFault::Delay(_) | PdpFault::Hang) => {
            let reply = right();
            let mut answer = plain(reply.status, reply.body.to_string());
            answer.headers_mut().extend(reply.headers);
            answer
        }
        Some(PdpFault::Status(status)) => plain(status, r#"{"detail":"scripted"}"#.to_owned()),
        Some(PdpFault::RetryAfter(status, seconds)) => {
            let mut answer = plain(status, r#"{"detail":"scripted"}"#.to_owned());
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
            answer
        }
        Some(PdpFault::Body(body)) => plain(200, body),
        Some(PdpFault::Answer(status, body)) => plain(status, body),
        Some(PdpFault::Huge) => plain(200, right().body.to_string() + &" ".repeat(300 * 1024)),
        Some(PdpFault::Drip) => found(200, AnswerBody::drip()),
        Some(PdpFault::Reset) => found(200, AnswerBody::cut(right().body.to_string().into())),
        Some(PdpFault::Redirect(to)) => {
            let mut answer = plain(302, String::new());
            if let Ok(to) = HeaderValue::try_from(to) {
                answer.headers_mut().insert(LOCATION, to);
            }
            answer
        }
    }
}

fn found(status: u16, body: AnswerBody) -> Response<AnswerBody> {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
